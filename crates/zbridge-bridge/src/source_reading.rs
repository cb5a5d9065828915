use crate::named_enum::named_enum;

named_enum! {
    /// What of a source's posterior a density is given.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub enum SourceReading("source reading") {
        /// A draw (paper, section 3.1): what is uncertain in the source is uncertain in the target.
        #[default]
        Draw = "draw",
        /// Its mean. From a draw no regression can be as sharp as from the mean: its noise is one of
        /// errors in variables.
        Mean = "mean",
    }
}
