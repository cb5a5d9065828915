//! Which tensors of a pickle belong to a model, and what their names are.

use super::pickle::{Pickle, Value};

/// Containers in containers that are searched.
const MOST_LEVELS: usize = 32;

/// Values of a pickle that are visited: containers may be inside of each other more than once.
const MOST_VALUES: usize = 1 << 22;

/// The keys under which checkpoints keep a model's own state dict, the preferred one first.
const STATE_DICT_KEYS: [&str; 4] = ["state_dict", "model_state_dict", "model", "ema_state_dict"];

/// The name of a tensor, and its place among the tensors of the pickle.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct TensorName {
    pub(super) name: String,
    pub(super) tensor: usize,
}

/// Returns the tensors of a checkpoint's state dict, or of the whole pickle if there is none; as an
/// error, why the pickle is not searched to its end.
pub(super) fn model_tensors(pickle: &Pickle) -> Result<Vec<TensorName>, String> {
    let mut search = Search {
        pickle,
        visited: 0,
        found: Vec::new(),
    };
    search.visit(state_dict(pickle), String::new(), 0);
    if search.visited > MOST_VALUES {
        return Err(format!("more than {MOST_VALUES} values"));
    }
    Ok(search.found)
}

fn state_dict(pickle: &Pickle) -> &Value {
    let Value::Dict(dict) = pickle.value else {
        return &pickle.value;
    };
    for wanted in STATE_DICT_KEYS {
        for (key, value) in pickle.objects.dict_items(dict) {
            let is_wanted = matches!(key, Value::Text(key) if key == wanted);
            if is_wanted && matches!(value, Value::Dict(_)) {
                return value;
            }
        }
    }
    &pickle.value
}

struct Search<'a> {
    pickle: &'a Pickle,
    visited: usize,
    found: Vec<TensorName>,
}

impl Search<'_> {
    fn visit(&mut self, value: &Value, name: String, level: usize) {
        self.visited += 1;
        // A list can be inside of itself.
        if level > MOST_LEVELS || self.visited > MOST_VALUES {
            return;
        }
        match *value {
            Value::Tensor(tensor) => self.found.push(TensorName { name, tensor }),
            Value::Dict(dict) => self.visit_dict(dict, &name, level + 1),
            Value::List(list) => self.visit_list(list, &name, level + 1),
            _ => {}
        }
    }

    fn visit_dict(&mut self, dict: usize, name: &str, level: usize) {
        for (key, value) in self.pickle.objects.dict_items(dict) {
            match key {
                Value::Text(key) => self.visit(value, joined(name, key), level),
                Value::Int(key) => self.visit(value, joined(name, &key.to_string()), level),
                // State dicts have no other keys.
                _ => {}
            }
        }
    }

    fn visit_list(&mut self, list: usize, name: &str, level: usize) {
        for (place, value) in self.pickle.objects.list_items(list).iter().enumerate() {
            self.visit(value, joined(name, &place.to_string()), level);
        }
    }
}

fn joined(name: &str, key: &str) -> String {
    match name {
        "" => key.into(),
        _ => format!("{name}.{key}"),
    }
}
