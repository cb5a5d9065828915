use zbridge_core::RandomStream;
use zbridge_nn::{Gradients, Gru, GruTape, InputGradient, Layer, Mode, Network, Tape};

/// Symbols, with a context beside each, through an embedding and a recurrent unit to a linear
/// layer: what encoder and decoder are both made of. Sequences are time-major, `[steps, rows]`.
#[derive(Debug, Clone)]
pub(super) struct RecurrentNetwork {
    /// Rows of the embedding.
    symbols: usize,
    embedding: usize,
    context: usize,
    gru: Gru,
    head: Network,
}

/// What a forward pass leaves for the backward pass, and working space.
#[derive(Debug, Default)]
pub(super) struct RecurrentTape {
    rows: usize,
    symbols: Vec<usize>,
    inputs: Vec<f32>,
    gru: GruTape,
    head: Tape,
    context_gradient: Vec<f32>,
}

impl RecurrentTape {
    /// The states behind each step of the last run, `[steps, rows, units]`.
    pub(super) fn states(&self) -> &[f32] {
        self.gru.states()
    }
}

impl RecurrentNetwork {
    /// `outputs` numbers from the state, for so many symbols and a context of so many numbers,
    /// perhaps none.
    pub(super) fn new(
        symbols: usize,
        embedding: usize,
        context: usize,
        units: usize,
        outputs: usize,
    ) -> Self {
        let head = Network::new(vec![Layer::Linear {
            inputs: units,
            outputs,
        }])
        .expect("one layer fits itself");
        Self {
            symbols,
            embedding,
            context,
            gru: Gru {
                inputs: embedding + context,
                units,
            },
            head,
        }
    }

    pub(super) fn units(&self) -> usize {
        self.gru.units
    }

    pub(super) fn outputs(&self) -> usize {
        self.head.outputs()
    }

    pub(super) fn context(&self) -> usize {
        self.context
    }

    /// Its parameters, (name, shape) in storage order.
    pub(super) fn parameters(&self) -> Vec<(String, Vec<usize>)> {
        let mut parameters = vec![("embedding".to_owned(), vec![self.symbols, self.embedding])];
        parameters.extend(
            self.gru
                .parameters()
                .map(|(name, shape)| (format!("gru.{name}"), shape)),
        );
        let head = self.head.tensors().iter();
        parameters.extend(
            head.map(|tensor| (tensor.name.replace("0.", "output."), tensor.shape.clone())),
        );
        parameters
    }

    pub(super) fn parameter_count(&self) -> usize {
        self.symbols * self.embedding + self.gru.parameter_count() + self.head.parameter_count()
    }

    /// Fresh parameters: embeddings standard normal, the rest as the unit and the layer have it.
    pub(super) fn initial_parameters(&self, stream: &mut RandomStream) -> Vec<f32> {
        let mut embedding = vec![0.0; self.symbols * self.embedding];
        stream.fill_standard_normal(&mut embedding);
        let gru = self.gru.initial_parameters(stream);
        [embedding, gru, self.head.initial_parameters(stream)].concat()
    }

    /// Runs through symbols `[steps, rows]` with contexts `[rows, context]`; the tape keeps the
    /// states.
    pub(super) fn run(
        &self,
        parameters: &[f32],
        symbols: &[usize],
        contexts: &[f32],
        rows: usize,
        tape: &mut RecurrentTape,
    ) {
        let [embedding, gru, _] = self.split(parameters);
        self.fill_inputs(embedding, symbols, contexts, rows, tape);
        self.gru.forward(gru, &tape.inputs, rows, &mut tape.gru);
    }

    /// Moves the states `[rows, units]` one step on, and comes back with the outputs `[rows,
    /// outputs]` there.
    pub(super) fn advance<'t>(
        &self,
        parameters: &[f32],
        symbols: &[usize],
        contexts: &[f32],
        states: &mut [f32],
        tape: &'t mut RecurrentTape,
    ) -> &'t mut [f32] {
        let [embedding, gru, head] = self.split(parameters);
        self.fill_inputs(embedding, symbols, contexts, symbols.len(), tape);
        self.gru.advance(gru, &tape.inputs, states, &mut tape.gru);
        self.head
            .forward(head, states, Mode::Inference, &mut tape.head)
    }

    /// The linear layer's outputs for some states, `[…, outputs]`.
    pub(super) fn outputs_at<'t>(
        &self,
        parameters: &[f32],
        states: &[f32],
        tape: &'t mut RecurrentTape,
    ) -> &'t mut [f32] {
        let [_, _, head] = self.split(parameters);
        self.head
            .forward(head, states, Mode::Inference, &mut tape.head)
    }

    /// The same for every state of the last run, `[steps, rows, outputs]`.
    pub(super) fn outputs_everywhere<'t>(
        &self,
        parameters: &[f32],
        tape: &'t mut RecurrentTape,
    ) -> &'t mut [f32] {
        let [_, _, head] = self.split(parameters);
        self.head
            .forward(head, tape.gru.states(), Mode::Inference, &mut tape.head)
    }

    /// The gradient at the states whose outputs were asked for last, for that at the outputs.
    pub(super) fn outputs_backward<'t>(
        &self,
        parameters: &[f32],
        output_gradient: &[f32],
        gradients: &mut [f32],
        tape: &'t mut RecurrentTape,
    ) -> &'t [f32] {
        let [_, _, head] = self.split(parameters);
        // The head comes last among the parameters.
        let start = parameters.len() - head.len();
        self.head.backward(
            head,
            output_gradient,
            Gradients::Add(&mut gradients[start..]),
            InputGradient::Wanted,
            &mut tape.head,
        )
    }

    /// Goes back through unit and embedding from the gradient at every state of the last run; comes
    /// back with the gradient at the contexts, `[rows, context]`.
    pub(super) fn states_backward<'t>(
        &self,
        parameters: &[f32],
        state_gradients: &[f32],
        gradients: &mut [f32],
        tape: &'t mut RecurrentTape,
    ) -> &'t [f32] {
        let [embedding, gru, _] = self.split(parameters);
        let (embedding_gradient, rest) = gradients.split_at_mut(embedding.len());
        let at_inputs =
            self.gru
                .backward(gru, state_gradients, &mut rest[..gru.len()], &mut tape.gru);
        tape.context_gradient.clear();
        tape.context_gradient.resize(tape.rows * self.context, 0.0);
        for (i, (input, symbol)) in at_inputs
            .chunks_exact(self.gru.inputs)
            .zip(&tape.symbols)
            .enumerate()
        {
            let (embedded, context) = input.split_at(self.embedding);
            // A symbol may occur often: each place adds to the same row of the embedding.
            add(embedded, &mut embedding_gradient[symbol * self.embedding..]);
            add(
                context,
                &mut tape.context_gradient[i % tape.rows * self.context..],
            );
        }
        &tape.context_gradient
    }

    /// Embedding and context of each symbol, side by side.
    fn fill_inputs(
        &self,
        embedding: &[f32],
        symbols: &[usize],
        contexts: &[f32],
        rows: usize,
        tape: &mut RecurrentTape,
    ) {
        tape.rows = rows;
        tape.symbols.clear();
        tape.symbols.extend_from_slice(symbols);
        tape.inputs.clear();
        // Place i is of row i % rows, at each of the steps.
        for (i, symbol) in symbols.iter().enumerate() {
            tape.inputs
                .extend_from_slice(&embedding[symbol * self.embedding..][..self.embedding]);
            tape.inputs
                .extend_from_slice(&contexts[i % rows * self.context..][..self.context]);
        }
    }

    /// The parameters of embedding, recurrent unit and linear layer.
    fn split<'p>(&self, parameters: &'p [f32]) -> [&'p [f32]; 3] {
        let (embedding, rest) = parameters.split_at(self.symbols * self.embedding);
        let (gru, head) = rest.split_at(self.gru.parameter_count());
        [embedding, gru, head]
    }
}

fn add(values: &[f32], total: &mut [f32]) {
    total
        .iter_mut()
        .zip(values)
        .for_each(|(total, value)| *total += value);
}
