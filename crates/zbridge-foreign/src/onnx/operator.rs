use rten_onnx::onnx::{AttributeProto, GraphProto, NodeProto};

/// A node of a graph, with its attributes.
#[derive(Clone, Copy)]
pub(super) struct Operator<'a>(pub(super) &'a NodeProto);

impl<'a> Operator<'a> {
    /// Returns the name of an operator of ONNX itself; empty for operators of other domains.
    pub(super) fn name(self) -> &'a str {
        match self.domain() {
            None => self.0.op_type.as_deref().unwrap_or_default(),
            Some(_) => "",
        }
    }

    /// Returns the name of the operator, with its domain if that is not ONNX's own.
    pub(super) fn qualified_name(self) -> String {
        let name = self.0.op_type.as_deref().unwrap_or_default();
        match self.domain() {
            None => name.into(),
            Some(domain) => format!("{domain}.{name}"),
        }
    }

    /// Returns the operator's domain; `None` for ONNX's own.
    fn domain(self) -> Option<&'a str> {
        foreign_domain(self.0.domain.as_deref())
    }

    /// Returns the input at a place; `None` if it is left out.
    pub(super) fn input(self, place: usize) -> Option<&'a str> {
        let name = self.0.input.get(place)?;
        is_given(name).then_some(name)
    }

    /// Returns the inputs that are not left out.
    pub(super) fn inputs(self) -> impl Iterator<Item = &'a str> {
        let names = self.0.input.iter().map(String::as_str);
        names.filter(|name| is_given(name))
    }

    /// Returns the output; `None` if there is not exactly one.
    pub(super) fn output(self) -> Option<&'a str> {
        let names = self.0.output.iter().map(String::as_str);
        let mut outputs = names.filter(|name| is_given(name));
        let output = outputs.next()?;
        outputs.next().is_none().then_some(output)
    }

    /// Returns the names of all outputs; empty for those that are left out.
    pub(super) fn all_outputs(self) -> &'a [String] {
        &self.0.output
    }

    pub(super) fn attribute(self, name: &str) -> Option<&'a AttributeProto> {
        let attributes = &self.0.attribute;
        attributes
            .iter()
            .find(|attribute| attribute.name.as_deref() == Some(name))
    }

    /// Returns the graphs that a node runs: branches and loops have them as attributes.
    pub(super) fn inner_graphs(self) -> impl Iterator<Item = &'a GraphProto> {
        let attributes = self.0.attribute.iter();
        attributes.filter_map(|attribute| attribute.g.as_ref())
    }

    pub(super) fn int(self, name: &str, default: i64) -> i64 {
        let attribute = self.attribute(name).and_then(|attribute| attribute.i);
        attribute.unwrap_or(default)
    }

    pub(super) fn float(self, name: &str, default: f32) -> f32 {
        let attribute = self.attribute(name).and_then(|attribute| attribute.f);
        attribute.unwrap_or(default)
    }

    pub(super) fn text(self, name: &str, default: &'a str) -> &'a str {
        let attribute = self.attribute(name);
        let text = attribute.and_then(|attribute| attribute.s.as_deref());
        text.unwrap_or(default)
    }

    /// Returns a list of sizes; `None` if it is missing or one is negative.
    pub(super) fn sizes(self, name: &str) -> Option<Vec<usize>> {
        let sizes = self.attribute(name)?.ints.iter();
        sizes.map(|&size| usize::try_from(size).ok()).collect()
    }
}

/// Returns a domain that is not ONNX's own.
pub(super) fn foreign_domain(domain: Option<&str>) -> Option<&str> {
    domain.filter(|domain| !matches!(*domain, "" | "ai.onnx"))
}

/// Inputs and outputs that are left out have empty names.
fn is_given(name: &str) -> bool {
    !name.is_empty()
}
