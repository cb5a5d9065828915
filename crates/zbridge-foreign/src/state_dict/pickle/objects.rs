use super::stop::{Step, Stop};
use crate::state_dict::named_tensor::{NumberType, StridedLayout};

/// A value in a pickle of tensors. Containers are named by their place in [`Objects`], so that one
/// may be inside several others, itself included, and nothing is copied or freed level by level.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Several values: a tuple, a list, or the arguments of a call.
    List(usize),
    /// Pairs of key and value.
    Dict(usize),
    Global(Global),
    Storage(usize),
    Tensor(usize),
}

/// The functions and classes that a state dict may ask for. None of them is run: each stands for a
/// rule in [`Objects::call`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Storage(NumberType),
    /// A storage whose type is stated where a tensor uses it.
    UntypedStorage,
}

impl Global {
    /// Returns the rule for a name.
    ///
    /// # Errors
    /// [`Stop::Refused`] for every name that is not on the list.
    pub(super) fn named(module: &str, name: &str) -> Step<Self> {
        match (module, name) {
            ("collections", "OrderedDict") => Ok(Self::OrderedDict),
            ("torch._utils", "_rebuild_tensor_v2") => Ok(Self::RebuildTensor),
            ("torch._utils", "_rebuild_parameter") => Ok(Self::RebuildParameter),
            ("torch", "Size") => Ok(Self::Size),
            ("torch.storage", "UntypedStorage") => Ok(Self::UntypedStorage),
            ("torch", class) => match storage_type(class) {
                Some(number_type) => Ok(Self::Storage(number_type)),
                None => Err(Stop::Refused(format!("torch.{class}"))),
            },
            _ => Err(Stop::Refused(format!("{module}.{name}"))),
        }
    }
}

/// Returns the type of the numbers in a storage class of PyTorch.
fn storage_type(class: &str) -> Option<NumberType> {
    Some(match class.strip_suffix("Storage")? {
        "Half" => NumberType::Float16,
        "BFloat16" => NumberType::Bfloat16,
        "Float" => NumberType::Float32,
        "Double" => NumberType::Float64,
        "Bool" => NumberType::Bool,
        "Byte" => NumberType::Uint8,
        "Char" => NumberType::Int8,
        "Short" => NumberType::Int16,
        "Int" => NumberType::Int32,
        "Long" => NumberType::Int64,
        _ => return None,
    })
}

/// The bytes that a tensor is a view of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Storage {
    /// The name of their file in the archive.
    pub(crate) key: String,
    pub(crate) number_type: NumberType,
}

impl Storage {
    fn named(id: &[Value]) -> Option<Self> {
        let [
            Value::Text(kind),
            Value::Global(class),
            Value::Text(key),
            ..,
        ] = id
        else {
            return None;
        };
        let number_type = match class {
            Global::Storage(number_type) => *number_type,
            // Only `_rebuild_tensor_v3`, which is refused, states another type than bytes.
            Global::UntypedStorage => NumberType::Uint8,
            _ => return None,
        };
        let key = key.clone();
        (kind == "storage").then_some(Self { key, number_type })
    }
}

/// A tensor as a pickle describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TensorView {
    /// Its place among the storages.
    pub(crate) storage: usize,
    /// Numbers of the storage before the first one.
    pub(crate) offset: usize,
    pub(crate) layout: StridedLayout,
}

/// Every container, storage and tensor of a pickle.
#[derive(Debug, Default)]
pub(crate) struct Objects {
    lists: Vec<Vec<Value>>,
    dicts: Vec<Vec<(Value, Value)>>,
    pub(crate) storages: Vec<Storage>,
    pub(crate) tensors: Vec<TensorView>,
}

impl Objects {
    pub(crate) fn list_items(&self, list: usize) -> &[Value] {
        &self.lists[list]
    }

    pub(crate) fn dict_items(&self, dict: usize) -> &[(Value, Value)] {
        &self.dicts[dict]
    }

    pub(super) fn extend_list(&mut self, list: usize, values: Vec<Value>) {
        self.lists[list].extend(values);
    }

    pub(super) fn insert(&mut self, dict: usize, key: Value, value: Value) {
        self.dicts[dict].push((key, value));
    }

    pub(super) fn new_list(&mut self, values: Vec<Value>) -> Value {
        self.lists.push(values);
        Value::List(self.lists.len() - 1)
    }

    pub(super) fn new_dict(&mut self) -> Value {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() - 1)
    }

    /// Returns the object that calling `global` on `arguments` stands for; `None` if PyTorch does
    /// not call it so.
    pub(super) fn call(&mut self, global: Global, arguments: &[Value]) -> Option<Value> {
        match (global, arguments) {
            (Global::OrderedDict, []) => Some(self.new_dict()),
            // A parameter is a tensor with a gradient.
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => Some(tensor.clone()),
            (Global::Size, [sizes @ Value::List(_)]) => Some(sizes.clone()),
            (Global::RebuildTensor, arguments) => self.rebuild_tensor(arguments),
            _ => None,
        }
    }

    /// `_rebuild_tensor_v2(storage, offset, shape, strides, …)`
    fn rebuild_tensor(&mut self, arguments: &[Value]) -> Option<Value> {
        let [
            Value::Storage(storage),
            Value::Int(offset),
            shape,
            strides,
            ..,
        ] = arguments
        else {
            return None;
        };
        let layout = StridedLayout {
            shape: self.sizes(shape)?,
            strides: self.sizes(strides)?,
        };
        self.tensors.push(TensorView {
            storage: *storage,
            offset: usize::try_from(*offset).ok()?,
            layout,
        });
        Some(Value::Tensor(self.tensors.len() - 1))
    }

    /// Returns the storage that a persistent id `("storage", type, key, device, numbers)` names.
    pub(super) fn storage(&mut self, id: &Value) -> Option<Value> {
        let Value::List(id) = *id else { return None };
        let storage = Storage::named(&self.lists[id])?;
        self.storages.push(storage);
        Some(Value::Storage(self.storages.len() - 1))
    }

    fn sizes(&self, list: &Value) -> Option<Vec<usize>> {
        let Value::List(list) = *list else {
            return None;
        };
        let mut sizes = Vec::new();
        for value in &self.lists[list] {
            let Value::Int(size) = *value else {
                return None;
            };
            sizes.push(usize::try_from(size).ok()?);
        }
        Some(sizes)
    }
}
