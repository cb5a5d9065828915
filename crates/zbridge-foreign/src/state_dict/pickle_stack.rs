use super::NumberType;

/// What a pickle of tensors can hold. Containers are named by their place, so that one may be in
/// several places, in itself even, and nothing is copied or freed level by level.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    None,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    /// Several values: a tuple, a list, or a set of arguments.
    List(usize),
    /// Pairs of key and value.
    Dict(usize),
    Global(Global),
    Storage(usize),
    Tensor(usize),
}

/// The names that a state dict may ask for. None of them is looked up anywhere: each stands for a
/// rule here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Global {
    OrderedDict,
    RebuildTensor,
    RebuildParameter,
    Size,
    Storage(NumberType),
    /// A storage whose type is said where a tensor uses it.
    UntypedStorage,
}

impl Global {
    /// The rule for a name, where there is one.
    pub(super) fn named(module: &str, name: &str) -> Option<Self> {
        Some(match (module, name) {
            ("collections", "OrderedDict") => Self::OrderedDict,
            ("torch._utils", "_rebuild_tensor_v2") => Self::RebuildTensor,
            ("torch._utils", "_rebuild_parameter") => Self::RebuildParameter,
            ("torch", "Size") => Self::Size,
            ("torch.storage", "UntypedStorage") => Self::UntypedStorage,
            ("torch", "HalfStorage") => Self::Storage(NumberType::Float16),
            ("torch", "BFloat16Storage") => Self::Storage(NumberType::Bfloat16),
            ("torch", "FloatStorage") => Self::Storage(NumberType::Float32),
            ("torch", "DoubleStorage") => Self::Storage(NumberType::Float64),
            ("torch", "BoolStorage") => Self::Storage(NumberType::Bool),
            ("torch", "ByteStorage") => Self::Storage(NumberType::Uint8),
            ("torch", "CharStorage") => Self::Storage(NumberType::Int8),
            ("torch", "ShortStorage") => Self::Storage(NumberType::Int16),
            ("torch", "IntStorage") => Self::Storage(NumberType::Int32),
            ("torch", "LongStorage") => Self::Storage(NumberType::Int64),
            _ => return None,
        })
    }
}

/// The bytes that a tensor is a view of: the name of their file in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Storage {
    pub(super) key: String,
    pub(super) number_type: NumberType,
}

/// A tensor as a pickle describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorView {
    pub(super) storage: usize,
    /// In numbers.
    pub(super) offset: usize,
    pub(super) shape: Vec<usize>,
    pub(super) strides: Vec<usize>,
}

/// Everything that a pickle made.
#[derive(Debug, Default)]
pub(super) struct Objects {
    pub(super) lists: Vec<Vec<Value>>,
    pub(super) dicts: Vec<Vec<(Value, Value)>>,
    pub(super) storages: Vec<Storage>,
    pub(super) tensors: Vec<TensorView>,
}

impl Objects {
    pub(super) fn list(&mut self, values: Vec<Value>) -> Value {
        self.lists.push(values);
        Value::List(self.lists.len() - 1)
    }

    pub(super) fn dict(&mut self) -> Value {
        self.dicts.push(Vec::new());
        Value::Dict(self.dicts.len() - 1)
    }

    /// The object that calling `global` on `arguments` stands for; none where they are not what it
    /// takes.
    pub(super) fn call(&mut self, global: Global, arguments: &[Value]) -> Option<Value> {
        match (global, arguments) {
            (Global::OrderedDict, []) => Some(self.dict()),
            (Global::RebuildParameter, [tensor @ Value::Tensor(_), ..]) => Some(tensor.clone()),
            (Global::Size, [sizes @ Value::List(_)]) => Some(sizes.clone()),
            (
                Global::RebuildTensor,
                [
                    Value::Storage(storage),
                    Value::Int(offset),
                    shape,
                    strides,
                    ..,
                ],
            ) => {
                let (offset, shape) = (usize::try_from(*offset).ok()?, self.sizes(shape)?);
                let strides = self.sizes(strides)?;
                self.tensors.push(TensorView {
                    storage: *storage,
                    offset,
                    shape,
                    strides,
                });
                Some(Value::Tensor(self.tensors.len() - 1))
            }
            _ => None,
        }
    }

    /// The storage that a persistent id names: `("storage", type, key, device, numbers)`.
    pub(super) fn persistent(&mut self, id: &Value) -> Option<Value> {
        let Value::List(id) = id else { return None };
        match self.lists[*id].as_slice() {
            [
                Value::Text(kind),
                Value::Global(global),
                Value::Text(key),
                ..,
            ] if kind == "storage" => {
                let number_type = match global {
                    Global::Storage(number_type) => *number_type,
                    Global::UntypedStorage => NumberType::Uint8,
                    _ => return None,
                };
                self.storages.push(Storage {
                    key: key.clone(),
                    number_type,
                });
                Some(Value::Storage(self.storages.len() - 1))
            }
            _ => None,
        }
    }

    fn sizes(&self, list: &Value) -> Option<Vec<usize>> {
        let Value::List(list) = list else { return None };
        let size = |value: &Value| {
            if let Value::Int(size) = value {
                usize::try_from(*size).ok()
            } else {
                None
            }
        };
        self.lists[*list].iter().map(size).collect()
    }
}
