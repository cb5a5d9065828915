use crate::{DataError, read_bytes, write_atomically};
use half::{bf16, f16};
use safetensors::tensor::{Dtype, SafeTensorError, TensorView};
use safetensors::{SafeTensors, serialize};
use serde_json::Value;
use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use zbridge_core::{DiagonalGaussian, Latents, Posterior, ShapeError};

/// The metadata key that holds ids which are no integers, one a line.
const IDS: &str = "ids";

/// How many bits a latents file spends on a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Precision {
    /// 16-bit floats: half the size, about three digits.
    F16,
    /// 32-bit floats: what was computed, exactly.
    #[default]
    F32,
}

/// Posteriors of many observations, with the ids that pair them and, where known, their classes.
///
/// On the disk: a safetensors file with the tensors `mean` and `log_var`, `[n, d]`, optionally `labels` (u8, `[n]`), and
/// the ids as the tensor `ids` (i64, `[n]`) or, when they are no integers, as lines of the metadata key `ids`. Posteriors
/// of augmented observations stand in `view_mean` and `view_log_var`, `[n, views, d]`.
#[derive(Debug, Clone, PartialEq)]
pub struct LatentsFile {
    /// The id of each row, all different.
    pub ids: Vec<String>,
    /// p(z|x) of each row, `[n, d]`.
    pub posterior: Posterior,
    /// p(z|x′) of other looks x′ at each row's observation, `[n · views, d]`, those of a row side by side.
    pub views: Option<Posterior>,
    /// The class of each row, if known.
    pub labels: Option<Vec<u8>>,
    /// What else is said about the file: the model, the data's digest; all keys but `ids`.
    pub metadata: BTreeMap<String, String>,
}

impl LatentsFile {
    /// The posteriors with their row numbers as ids, without labels or metadata.
    pub fn numbered(posterior: Posterior) -> Self {
        let ids = row_numbers(posterior.rows());
        Self { ids, posterior, views: None, labels: None, metadata: BTreeMap::new() }
    }

    /// The views of the rows named, in that order.
    pub fn views_of(&self, rows: &[usize]) -> Option<Posterior> {
        let views = self.views.as_ref()?;
        let each = views.rows() / self.posterior.rows().max(1);
        let of_row = |row: &usize| row * each..(row + 1) * each;
        Some(views.select(&rows.iter().flat_map(of_row).collect::<Vec<_>>()))
    }

    /// The contents of the safetensors file at `path`.
    ///
    /// Beside the names that [`write`](Self::write) uses, `mu` is read as `mean`, and `logvar`, `std` or `scale` (a
    /// standard deviation) as `log_var`; f16, bf16, f32 and f64 are read. Without ids, rows are numbered from 0.
    ///
    /// # Errors
    /// [`DataError`] with the file, the tensor, and what was expected and found there: dtype, shape, the row and
    /// column of a NaN, both rows of an id that comes twice; with the tensors there are when one is missing.
    pub fn read(path: &Path) -> Result<Self, DataError> {
        Contents::parse(path, &read_bytes(path)?)?.latents()
    }

    /// The contents of a safetensors file that lies in memory.
    ///
    /// # Errors
    /// As [`read`](Self::read); the path is then `<bytes in memory>`.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DataError> {
        Contents::parse(Path::new("<bytes in memory>"), bytes)?.latents()
    }

    /// Writes the file, whole or not at all. The same contents give the same bytes.
    ///
    /// # Errors
    /// [`DataError::Write`]; [`DataError::Unstorable`] when a value is beyond f16, or an id holds a line break;
    /// [`DataError::DuplicateId`] and [`DataError::CountMismatch`] when the parts do not belong together.
    pub fn write(&self, path: &Path, precision: Precision) -> Result<(), DataError> {
        let bytes = self.to_bytes(path, precision)?;
        write_atomically(path, |file| file.write_all(&bytes))
    }

    fn to_bytes(&self, path: &Path, precision: Precision) -> Result<Vec<u8>, DataError> {
        self.expect_belonging(path)?;
        let mut tensors = Stored::gaussian(path, ["mean", "log_var"], &self.posterior, precision)?.to_vec();
        if let Some(views) = &self.views {
            let stored = Stored::gaussian(path, ["view_mean", "view_log_var"], views, precision)?;
            tensors.extend(stored.map(|(name, stored)| (name, stored.in_groups(self.posterior.rows()))));
        }
        let mut metadata = self.metadata.clone();
        metadata.remove(IDS);
        match integers(&self.ids) {
            Some(ids) => tensors.push(("ids", Stored::integers(&ids))),
            None => _ = metadata.insert(IDS.to_owned(), joined(path, &self.ids)?),
        }
        tensors.extend(self.labels.as_ref().map(|labels| ("labels", Stored::bytes(labels))));
        let views = tensors.iter().map(|(name, stored)| Ok((*name, stored.view()?))).collect::<Result<Vec<_>, _>>();
        let bytes = views.and_then(|views| serialize(views, Some(metadata.into_iter().collect())));
        let unstorable =
            |error: SafeTensorError| DataError::Unstorable { path: path.to_owned(), why: error.to_string() };
        Ok(with_sorted_metadata(bytes.map_err(unstorable)?))
    }

    fn expect_belonging(&self, path: &Path) -> Result<(), DataError> {
        expect_different(path, &self.ids)?;
        let expected = self.posterior.rows();
        let labels = self.labels.as_ref().map_or(expected, Vec::len);
        let each = self.views.as_ref().map_or(0, |views| views.rows().div_ceil(expected.max(1)));
        let views = self.views.as_ref().map_or(0, Posterior::rows);
        if views != each * expected {
            let (path, what) = (path.to_owned(), "views");
            return Err(DataError::CountMismatch { path, what, expected: each * expected, found: views });
        }
        for (what, found) in [("ids", self.ids.len()), ("labels", labels)] {
            if found != expected {
                return Err(DataError::CountMismatch { path: path.to_owned(), what, expected, found });
            }
        }
        Ok(())
    }
}

fn row_numbers(rows: usize) -> Vec<String> {
    (0..rows).map(|row| row.to_string()).collect()
}

fn expect_different(path: &Path, ids: &[String]) -> Result<(), DataError> {
    let mut seen = HashMap::with_capacity(ids.len());
    for (second, id) in ids.iter().enumerate() {
        if let Some(first) = seen.insert(id, second) {
            return Err(DataError::DuplicateId { path: path.to_owned(), id: id.clone(), first, second });
        }
    }
    Ok(())
}

/// The ids as integers, when all are written as integers are: `007` is a name.
fn integers(ids: &[String]) -> Option<Vec<i64>> {
    let integer = |id: &String| id.parse::<i64>().ok().filter(|number| number.to_string() == *id);
    ids.iter().map(integer).collect()
}

fn joined(path: &Path, ids: &[String]) -> Result<String, DataError> {
    match ids.iter().position(|id| id.contains(['\n', '\r'])) {
        None => Ok(ids.join("\n")),
        Some(row) => {
            let why = format!("the id of row {row}, {:?}, holds a line break; rename it", ids[row]);
            Err(DataError::Unstorable { path: path.to_owned(), why })
        }
    }
}

/// A tensor on its way to the disk.
#[derive(Clone)]
struct Stored {
    dtype: Dtype,
    shape: Vec<usize>,
    data: Vec<u8>,
}

impl Stored {
    /// Means and log-variances under these names.
    fn gaussian<'n>(
        path: &Path,
        [mean, log_var]: [&'n str; 2],
        posterior: &Posterior,
        precision: Precision,
    ) -> Result<[(&'n str, Self); 2], DataError> {
        let gaussian = posterior.as_diagonal().ok_or_else(|| DataError::Unstorable {
            path: path.to_owned(),
            why: "a latents file holds means and log-variances; these posteriors are known by samples only".to_owned(),
        })?;
        Ok([
            (mean, Self::floats(path, mean, gaussian.mean(), precision)?),
            (log_var, Self::floats(path, log_var, gaussian.log_var(), precision)?),
        ])
    }

    /// The same numbers as `[groups, rows / groups, dim]`.
    fn in_groups(mut self, groups: usize) -> Self {
        let (rows, dim) = (self.shape[0], self.shape[1]);
        self.shape = vec![groups, rows / groups.max(1), dim];
        self
    }

    fn floats(path: &Path, tensor: &str, latents: &Latents, precision: Precision) -> Result<Self, DataError> {
        let shape = vec![latents.rows(), latents.dim()];
        let values = latents.values();
        if precision == Precision::F32 {
            return Ok(Self {
                dtype: Dtype::F32,
                shape,
                data: values.iter().flat_map(|value| value.to_le_bytes()).collect(),
            });
        }
        if let Some(i) = values.iter().position(|&value| !f16::from_f32(value).is_finite()) {
            let (row, column, value) = (i / latents.dim(), i % latents.dim(), values[i]);
            let why =
                format!("{tensor}, row {row}, column {column} is {value}, beyond 16-bit floats; store 32-bit ones");
            return Err(DataError::Unstorable { path: path.to_owned(), why });
        }
        let data = values.iter().flat_map(|&value| f16::from_f32(value).to_le_bytes()).collect();
        Ok(Self { dtype: Dtype::F16, shape, data })
    }

    fn integers(values: &[i64]) -> Self {
        let data = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        Self { dtype: Dtype::I64, shape: vec![values.len()], data }
    }

    fn bytes(values: &[u8]) -> Self {
        Self { dtype: Dtype::U8, shape: vec![values.len()], data: values.to_vec() }
    }

    fn view(&self) -> Result<TensorView<'_>, SafeTensorError> {
        TensorView::new(self.dtype, self.shape.clone(), &self.data)
    }
}

/// The file with its metadata in alphabetical order: safetensors keeps them in a hash map, whose order changes from run
/// to run, and digests of files must not.
fn with_sorted_metadata(mut file: Vec<u8>) -> Vec<u8> {
    let length = u64::from_le_bytes(file[..8].try_into().unwrap_or_default()) as usize;
    if let Ok(mut header) = serde_json::from_slice::<Value>(&file[8..8 + length]) {
        header["__metadata__"].sort_all_objects();
        let mut text = header.to_string().into_bytes();
        text.resize(length, b' ');
        file[8..8 + length].copy_from_slice(&text);
    }
    file
}

/// A parsed safetensors file.
struct Contents<'a> {
    path: PathBuf,
    tensors: SafeTensors<'a>,
    metadata: BTreeMap<String, String>,
}

impl<'a> Contents<'a> {
    fn parse(path: &Path, bytes: &'a [u8]) -> Result<Self, DataError> {
        let unsound = |error: SafeTensorError| DataError::Safetensors { path: path.to_owned(), why: error.to_string() };
        let (_, header) = SafeTensors::read_metadata(bytes).map_err(unsound)?;
        let tensors = SafeTensors::deserialize(bytes).map_err(unsound)?;
        let metadata = header.metadata().iter().flatten().map(|(key, value)| (key.clone(), value.clone())).collect();
        Ok(Self { path: path.to_owned(), tensors, metadata })
    }

    fn latents(mut self) -> Result<LatentsFile, DataError> {
        let posterior = self.posterior()?;
        let views = self.views(posterior.rows(), posterior.dim())?;
        let labels = self.labels(posterior.rows())?;
        let ids = self.ids(posterior.rows())?;
        self.metadata.remove(IDS);
        Ok(LatentsFile { ids, posterior, views, labels, metadata: self.metadata })
    }

    /// The posteriors of augmented observations: `view_mean` and `view_log_var`, both or neither.
    fn views(&self, rows: usize, dim: usize) -> Result<Option<Posterior>, DataError> {
        let (mean_name, log_var_name) = ("view_mean", "view_log_var");
        if self.tensor(mean_name).is_none() && self.tensor(log_var_name).is_none() {
            return Ok(None);
        }
        let (_, mean) = self.first_of(&[mean_name], "tensor `view_mean`, the means of augmented observations")?;
        let (_, log_var) = self.first_of(&[log_var_name], "tensor `view_log_var`, beside `view_mean`")?;
        let expected = format!("[{rows}, views, {dim}]: so many views of each row");
        if !matches!(mean.shape(), [n, _, d] if (*n, *d) == (rows, dim)) {
            return Err(self.wrong_shape(mean_name, expected, mean.shape()));
        }
        if log_var.shape() != mean.shape() {
            let expected = format!("{:?}, that of `{mean_name}`", mean.shape());
            return Err(self.wrong_shape(log_var_name, expected, log_var.shape()));
        }
        let batch = |name: &str, tensor| self.batch(name, self.floats(name, tensor)?, dim);
        let (mean, log_var) = (batch(mean_name, &mean)?, batch(log_var_name, &log_var)?);
        let gaussian = DiagonalGaussian::new(mean, log_var).map_err(|reason| self.wrong_value(log_var_name, reason))?;
        Ok(Some(gaussian.into()))
    }

    fn posterior(&self) -> Result<Posterior, DataError> {
        let (mean_name, mean) = self.first_of(&["mean", "mu"], "tensor `mean` (or `mu`), the posterior means")?;
        let (spread_name, spread) = self.first_of(
            &["log_var", "logvar", "std", "scale"],
            "tensor `log_var` (or `logvar`, or a standard deviation `std` or `scale`), the posterior log-variances",
        )?;
        let is_scale = matches!(spread_name, "std" | "scale");
        let shape = self.rank_two(mean_name, &mean)?;
        if spread.shape() != shape {
            return Err(self.wrong_shape(spread_name, format!("{shape:?}, that of `{mean_name}`"), spread.shape()));
        }
        let mean = self.batch(mean_name, self.floats(mean_name, &mean)?, shape[1])?;
        let spread = self.floats(spread_name, &spread)?;
        let log_var = if is_scale { self.log_var(spread_name, &spread, shape[1])? } else { spread };
        let log_var = self.batch(spread_name, log_var, shape[1])?;
        let gaussian = DiagonalGaussian::new(mean, log_var).map_err(|reason| self.wrong_value(spread_name, reason))?;
        Ok(gaussian.into())
    }

    /// Twice the logarithm of each standard deviation.
    fn log_var(&self, tensor: &str, scales: &[f64], dim: usize) -> Result<Vec<f64>, DataError> {
        match scales.iter().position(|&scale| scale <= 0.0) {
            None => Ok(scales.iter().map(|scale| 2.0 * scale.ln()).collect()),
            Some(i) => Err(DataError::ScaleNotPositive {
                path: self.path.clone(),
                tensor: named(tensor),
                row: i / dim,
                column: i % dim,
                value: scales[i],
            }),
        }
    }

    fn labels(&self, rows: usize) -> Result<Option<Vec<u8>>, DataError> {
        let Some(tensor) = self.tensor("labels") else { return Ok(None) };
        self.expect_rows("labels", &tensor, rows)?;
        let labels = match tensor.dtype() {
            Dtype::U8 => tensor.data().to_vec(),
            Dtype::I64 => self.class_ids(&i64s(tensor.data()))?,
            other => return Err(self.wrong_type("labels", "u8 or i64", other)),
        };
        Ok(Some(labels))
    }

    fn class_ids(&self, labels: &[i64]) -> Result<Vec<u8>, DataError> {
        let out_of_range = |row: usize, value: i64| {
            let (path, value) = (self.path.clone(), value as f64);
            DataError::NotInRange { path, row, value, lowest: 0, highest: 255 }
        };
        let rows = labels.iter().enumerate();
        rows.map(|(row, &label)| u8::try_from(label).map_err(|_| out_of_range(row, label))).collect()
    }

    fn ids(&self, rows: usize) -> Result<Vec<String>, DataError> {
        let ids = match (self.tensor("ids"), self.metadata.get(IDS)) {
            (Some(tensor), _) => self.integer_ids(&tensor, rows)?,
            (None, Some(lines)) => lines.split('\n').map(str::to_owned).collect(),
            (None, None) => row_numbers(rows),
        };
        if ids.len() != rows {
            return Err(DataError::CountMismatch {
                path: self.path.clone(),
                what: "ids",
                expected: rows,
                found: ids.len(),
            });
        }
        expect_different(&self.path, &ids)?;
        Ok(ids)
    }

    fn integer_ids(&self, tensor: &TensorView<'_>, rows: usize) -> Result<Vec<String>, DataError> {
        self.expect_rows("ids", tensor, rows)?;
        match tensor.dtype() {
            Dtype::I64 => Ok(i64s(tensor.data()).iter().map(i64::to_string).collect()),
            other => Err(self.wrong_type("ids", "i64 (other ids go into the metadata key `ids`, one a line)", other)),
        }
    }

    fn tensor(&self, name: &str) -> Option<TensorView<'a>> {
        self.tensors.tensor(name).ok()
    }

    fn first_of(
        &self,
        names: &[&'static str],
        wanted: &'static str,
    ) -> Result<(&'static str, TensorView<'a>), DataError> {
        let found = names.iter().find_map(|&name| Some((name, self.tensor(name)?)));
        found.ok_or_else(|| DataError::MissingTensor { path: self.path.clone(), wanted, found: self.listing() })
    }

    /// The tensors of the file, as a person describes them: `name f32 [3, 2]`.
    fn listing(&self) -> Vec<String> {
        let described =
            |(name, tensor): (String, TensorView<'_>)| format!("`{name}` {} {:?}", tensor.dtype(), tensor.shape());
        let mut lines: Vec<String> = self.tensors.tensors().into_iter().map(described).collect();
        lines.sort();
        lines
    }

    fn rank_two(&self, name: &str, tensor: &TensorView<'_>) -> Result<[usize; 2], DataError> {
        let expected = || "[n, d]: one row for each observation".to_owned();
        <[usize; 2]>::try_from(tensor.shape()).map_err(|_| self.wrong_shape(name, expected(), tensor.shape()))
    }

    fn expect_rows(&self, name: &str, tensor: &TensorView<'_>, rows: usize) -> Result<(), DataError> {
        let is_column = tensor.shape() == [rows];
        if is_column {
            Ok(())
        } else {
            Err(self.wrong_shape(name, format!("[{rows}], one for each row"), tensor.shape()))
        }
    }

    fn floats(&self, name: &str, tensor: &TensorView<'_>) -> Result<Vec<f64>, DataError> {
        let data = tensor.data();
        match tensor.dtype() {
            Dtype::F16 => Ok(numbers(data, |bytes| f16::from_le_bytes(bytes).to_f64())),
            Dtype::BF16 => Ok(numbers(data, |bytes| bf16::from_le_bytes(bytes).to_f64())),
            Dtype::F32 => Ok(numbers(data, |bytes| f64::from(f32::from_le_bytes(bytes)))),
            Dtype::F64 => Ok(numbers(data, f64::from_le_bytes)),
            other => Err(self.wrong_type(name, "f16, bf16, f32 or f64", other)),
        }
    }

    fn batch(&self, name: &str, values: Vec<f64>, dim: usize) -> Result<Latents, DataError> {
        let values = values.into_iter().map(|value| value as f32).collect();
        Latents::new(values, dim).map_err(|reason| self.wrong_value(name, reason))
    }

    fn wrong_value(&self, tensor: &str, reason: ShapeError) -> DataError {
        DataError::Value { path: self.path.clone(), tensor: named(tensor), reason }
    }

    fn wrong_type(&self, tensor: &str, expected: &'static str, found: Dtype) -> DataError {
        let found = found.to_string().to_lowercase();
        DataError::NumberType { path: self.path.clone(), tensor: named(tensor), expected, found }
    }

    fn wrong_shape(&self, tensor: &str, expected: String, found: &[usize]) -> DataError {
        DataError::Shape { path: self.path.clone(), tensor: named(tensor), expected, found: found.to_vec() }
    }
}

fn named(tensor: &str) -> String {
    format!("tensor `{tensor}`")
}

fn i64s(data: &[u8]) -> Vec<i64> {
    numbers(data, i64::from_le_bytes)
}

/// Little-endian numbers of `N` bytes each; a safetensors file was checked to hold whole ones.
fn numbers<const N: usize, T>(data: &[u8], number: impl Fn([u8; N]) -> T) -> Vec<T> {
    data.as_chunks::<N>().0.iter().map(|&bytes| number(bytes)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn posterior(mean: Vec<f32>, log_var: Vec<f32>, dim: usize) -> Posterior {
        let (mean, log_var) = (Latents::new(mean, dim).unwrap(), Latents::new(log_var, dim).unwrap());
        DiagonalGaussian::new(mean, log_var).unwrap().into()
    }

    fn small() -> LatentsFile {
        LatentsFile::numbered(posterior(vec![0.5, -1.0, 2.0, 3.0], vec![-4.0, 0.0, 1.0, -1.0], 2))
    }

    /// A file as another program may write it.
    fn foreign(tensors: &[(&str, Dtype, &[usize], Vec<u8>)], ids: Option<&str>) -> Vec<u8> {
        let metadata = ids.map(|ids| HashMap::from([("ids".to_owned(), ids.to_owned())]));
        let views = tensors
            .iter()
            .map(|(name, dtype, shape, data)| (*name, TensorView::new(*dtype, shape.to_vec(), data).unwrap()));
        serialize(views, metadata).unwrap()
    }

    fn f32s(values: &[f32]) -> Vec<u8> {
        values.iter().flat_map(|value| value.to_le_bytes()).collect()
    }

    /// A sound pair of tensors plus one more.
    fn with(name: &str, dtype: Dtype, shape: &[usize], data: Vec<u8>) -> Result<LatentsFile, DataError> {
        let zeros = f32s(&[0.0; 4]);
        let sound = [("mean", Dtype::F32, &[2, 2][..], zeros.clone()), ("log_var", Dtype::F32, &[2, 2], zeros)];
        LatentsFile::from_bytes(&foreign(&[&sound[..], &[(name, dtype, shape, data)]].concat(), None))
    }

    #[test]
    fn views_belong_to_their_rows() {
        let views = posterior((0..8).map(|i| i as f32).collect(), vec![-1.0; 8], 2);
        let file = LatentsFile { views: Some(views), ..small() };
        let back = round_trip(&file, Precision::F32);
        assert_eq!(back, file);
        let of_second = back.views_of(&[1]).unwrap();
        assert_eq!(of_second.as_diagonal().unwrap().mean().values(), [4.0, 5.0, 6.0, 7.0]);
        assert!(small().views_of(&[0]).is_none());
        let error = with("view_mean", Dtype::F32, &[2, 2, 2], f32s(&[0.0; 8])).unwrap_err();
        assert!(error.to_string().contains("view_log_var"), "{error}");
        let error = with("view_log_var", Dtype::F32, &[2, 2, 2], f32s(&[0.0; 8])).unwrap_err();
        assert!(error.to_string().contains("view_mean"), "{error}");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latents.safetensors");
        let odd = LatentsFile { views: Some(posterior(vec![0.0; 6], vec![0.0; 6], 2)), ..small() };
        assert!(matches!(odd.write(&path, Precision::F32), Err(DataError::CountMismatch { what: "views", .. })));
        assert!(!path.exists());
    }

    fn round_trip(file: &LatentsFile, precision: Precision) -> LatentsFile {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("latents.safetensors");
        file.write(&path, precision).unwrap();
        LatentsFile::read(&path).unwrap()
    }

    prop_compose! {
        fn arbitrary_file()(rows in 0usize..6, dim in 1usize..5)(
            mean in prop::collection::vec(-1e30f32..1e30, rows * dim),
            log_var in prop::collection::vec(-80f32..80.0, rows * dim),
            names in prop::collection::btree_set("[a-zé0-9 -]{1,6}", rows),
            labels in prop::option::of(prop::collection::vec(any::<u8>(), rows)),
            metadata in prop::collection::btree_map("[a-h]{1,4}", "\\PC{0,8}", 0..5),
            dim in Just(dim),
        ) -> LatentsFile {
            LatentsFile { ids: names.into_iter().collect(), posterior: posterior(mean, log_var, dim), views: None, labels, metadata }
        }
    }

    proptest! {
        #[test]
        fn a_file_is_read_as_written_and_written_the_same_twice(file in arbitrary_file()) {
            prop_assert_eq!(&round_trip(&file, Precision::F32), &file);
            let path = Path::new("a");
            let copy = LatentsFile { metadata: file.metadata.clone().into_iter().rev().collect(), ..file.clone() };
            prop_assert_eq!(file.to_bytes(path, Precision::F32).unwrap(), copy.to_bytes(path, Precision::F32).unwrap());
        }

        #[test]
        fn damaged_bytes_never_panic(place: usize, byte: u8) {
            let mut bytes = small().to_bytes(Path::new("a"), Precision::F32).unwrap();
            let length = bytes.len();
            bytes[place % length] = byte;
            let _ = LatentsFile::from_bytes(&bytes);
            let _ = LatentsFile::from_bytes(&bytes[..place % length]);
        }
    }

    #[test]
    fn half_precision_rounds_but_does_not_overflow() {
        let read = round_trip(&small(), Precision::F16);
        assert_eq!(read, small(), "these values are exact in 16 bits");
        let huge = LatentsFile::numbered(posterior(vec![0.0, 1e6], vec![0.0; 2], 2));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let error = huge.write(&path, Precision::F16).unwrap_err();
        assert!(error.to_string().contains("mean, row 0, column 1 is 1000000"), "{error}");
        assert!(!path.exists());
    }

    #[test]
    fn other_names_and_number_types_are_read() {
        let e = std::f64::consts::E;
        let mu: Vec<u8> = [1.0f32, -2.0].iter().flat_map(|&v| bf16::from_f32(v).to_le_bytes()).collect();
        let scale: Vec<u8> = [1.0, e].iter().flat_map(|v| v.to_le_bytes()).collect();
        let bytes = foreign(&[("mu", Dtype::BF16, &[1, 2], mu), ("scale", Dtype::F64, &[1, 2], scale)], None);
        let read = LatentsFile::from_bytes(&bytes).unwrap();
        assert_eq!(read, LatentsFile::numbered(posterior(vec![1.0, -2.0], vec![0.0, 2.0], 2)));
    }

    #[test]
    fn ids_come_from_the_tensor_the_metadata_or_the_rows() {
        let numbers: Vec<u8> = [40i64, -7].iter().flat_map(|v| v.to_le_bytes()).collect();
        assert_eq!(with("ids", Dtype::I64, &[2], numbers).unwrap().ids, ["40", "-7"]);
        let zeros = f32s(&[0.0; 4]);
        let sound = [("mean", Dtype::F32, &[2, 2][..], zeros.clone()), ("log_var", Dtype::F32, &[2, 2], zeros)];
        assert_eq!(LatentsFile::from_bytes(&foreign(&sound, Some("a\nb c"))).unwrap().ids, ["a", "b c"]);
        assert_eq!(LatentsFile::from_bytes(&foreign(&sound, None)).unwrap().ids, ["0", "1"]);
        let short = LatentsFile::from_bytes(&foreign(&sound, Some("a"))).unwrap_err();
        assert!(matches!(short, DataError::CountMismatch { expected: 2, found: 1, .. }), "{short}");
        let twice = LatentsFile::from_bytes(&foreign(&sound, Some("a\na"))).unwrap_err();
        assert!(matches!(twice, DataError::DuplicateId { first: 0, second: 1, .. }), "{twice}");
    }

    #[test]
    fn leading_zeros_survive() {
        let file = LatentsFile { ids: vec!["007".to_owned(), "7".to_owned()], ..small() };
        assert_eq!(round_trip(&file, Precision::F32).ids, ["007", "7"]);
    }

    #[test]
    fn labels_are_bytes_or_integers_in_range() {
        let labels =
            |values: [i64; 2]| with("labels", Dtype::I64, &[2], values.iter().flat_map(|v| v.to_le_bytes()).collect());
        assert_eq!(labels([3, 255]).unwrap().labels, Some(vec![3, 255]));
        assert!(matches!(labels([3, 256]), Err(DataError::NotInRange { row: 1, .. })));
        assert_eq!(with("labels", Dtype::U8, &[2], vec![1, 2]).unwrap().labels, Some(vec![1, 2]));
        assert!(matches!(with("labels", Dtype::U8, &[3], vec![1, 2, 3]), Err(DataError::Shape { .. })));
        assert!(matches!(with("labels", Dtype::F32, &[2], f32s(&[1.0, 2.0])), Err(DataError::NumberType { .. })));
    }

    #[test]
    fn a_file_without_posteriors_lists_what_it_holds() {
        let bytes = foreign(&[("weight", Dtype::F32, &[1, 2], f32s(&[0.0; 2]))], None);
        let text = LatentsFile::from_bytes(&bytes).unwrap_err().to_string();
        assert!(text.contains("`mean`") && text.contains("`weight` F32 [1, 2]"), "{text}");
        let bytes = foreign(&[("mean", Dtype::F32, &[1, 2], f32s(&[0.0; 2]))], None);
        let text = LatentsFile::from_bytes(&bytes).unwrap_err().to_string();
        assert!(text.contains("`log_var`"), "{text}");
    }

    #[test]
    fn wrong_tensors_are_named_with_expectation_and_finding() {
        let case = |mean: (Dtype, &[usize], Vec<u8>), log_var: (Dtype, &[usize], Vec<u8>)| {
            let tensors = [("mean", mean.0, mean.1, mean.2), ("log_var", log_var.0, log_var.1, log_var.2)];
            LatentsFile::from_bytes(&foreign(&tensors, None)).unwrap_err().to_string()
        };
        let zeros = |shape: &'static [usize]| (Dtype::F32, shape, f32s(&vec![0.0; shape.iter().product()]));
        let text = case(zeros(&[4]), zeros(&[4]));
        assert!(text.contains("`mean` has shape [4]; expected [n, d]"), "{text}");
        let text = case(zeros(&[2, 2]), zeros(&[2, 1]));
        assert!(text.contains("`log_var` has shape [2, 1]; expected [2, 2]"), "{text}");
        let text = case((Dtype::I32, &[1, 1], vec![0; 4]), zeros(&[1, 1]));
        assert!(text.contains("`mean` has type i32; expected f16"), "{text}");
        let text = case((Dtype::F32, &[2, 2], f32s(&[0.0, 0.0, f32::NAN, 0.0])), zeros(&[2, 2]));
        assert!(text.contains("`mean`: row 1, column 0 is NaN"), "{text}");
        let text = case(zeros(&[2, 0]), zeros(&[2, 0]));
        assert!(text.contains("empty"), "{text}");
    }

    #[test]
    fn a_standard_deviation_must_be_positive() {
        let tensors =
            [("mean", Dtype::F32, &[1, 2][..], f32s(&[0.0; 2])), ("std", Dtype::F32, &[1, 2], f32s(&[1.0, 0.0]))];
        let error = LatentsFile::from_bytes(&foreign(&tensors, None)).unwrap_err();
        assert!(matches!(error, DataError::ScaleNotPositive { row: 0, column: 1, .. }), "{error}");
    }

    #[test]
    fn parts_that_do_not_belong_together_are_not_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let ids = |ids: &[&str]| ids.iter().map(|&id| id.to_owned()).collect::<Vec<_>>();
        for file in [
            LatentsFile { ids: ids(&["a", "a"]), ..small() },
            LatentsFile { ids: ids(&["a"]), ..small() },
            LatentsFile { ids: ids(&["a", "b\nc"]), ..small() },
            LatentsFile { labels: Some(vec![1]), ..small() },
        ] {
            assert!(file.write(&path, Precision::F32).is_err());
            assert!(!path.exists());
        }
    }

    #[test]
    fn damaged_files_name_themselves() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\xff\xff\xff\xff\xff\xff\xff\x7f{}").unwrap();
        let error = LatentsFile::read(file.path()).unwrap_err();
        let name = file.path().display().to_string();
        assert!(matches!(error, DataError::Safetensors { .. }) && error.to_string().contains(&name), "{error}");
    }
}
