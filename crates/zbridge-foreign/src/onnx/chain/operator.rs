use rten_onnx::onnx::{AttributeProto, NodeProto};

/// A node of ONNX's own operators, with its attributes.
#[derive(Clone, Copy)]
pub(super) struct Operator<'a>(pub(super) &'a NodeProto);

impl<'a> Operator<'a> {
    /// Its name; empty for operators of other domains.
    pub(super) fn name(self) -> &'a str {
        match self.0.domain.as_deref() {
            None | Some("" | "ai.onnx") => self.0.op_type.as_deref().unwrap_or_default(),
            Some(_) => "",
        }
    }

    /// The input at a place; none where it is left out.
    pub(super) fn input(self, place: usize) -> Option<&'a str> {
        self.0
            .input
            .get(place)
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    /// The inputs that are not left out.
    pub(super) fn inputs(self) -> impl Iterator<Item = &'a str> {
        self.0
            .input
            .iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty())
    }

    /// The output, where there is one only.
    pub(super) fn output(self) -> Option<&'a str> {
        let mut outputs = self
            .0
            .output
            .iter()
            .map(String::as_str)
            .filter(|name| !name.is_empty());
        outputs.next().filter(|_| outputs.next().is_none())
    }

    pub(super) fn attribute(self, name: &str) -> Option<&'a AttributeProto> {
        self.0
            .attribute
            .iter()
            .find(|attribute| attribute.name.as_deref() == Some(name))
    }

    pub(super) fn int(self, name: &str, usual: i64) -> i64 {
        self.attribute(name)
            .and_then(|attribute| attribute.i)
            .unwrap_or(usual)
    }

    pub(super) fn float(self, name: &str, usual: f32) -> f32 {
        self.attribute(name)
            .and_then(|attribute| attribute.f)
            .unwrap_or(usual)
    }

    pub(super) fn text(self, name: &str, usual: &'a str) -> &'a str {
        self.attribute(name)
            .and_then(|attribute| attribute.s.as_deref())
            .unwrap_or(usual)
    }

    /// Whole numbers from zero; none where they are missing or negative.
    pub(super) fn sizes(self, name: &str) -> Option<Vec<usize>> {
        self.attribute(name)?
            .ints
            .iter()
            .map(|&size| usize::try_from(size).ok())
            .collect()
    }
}
