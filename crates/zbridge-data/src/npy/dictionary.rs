//! The dictionary at the beginning of an `.npy` file, which is written in Python:
//! `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }`.

/// What the dictionary says.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Dictionary {
    /// The type of the elements, such as `<f4`; the source text if it is a structure.
    pub(super) type_string: String,
    pub(super) fortran_order: bool,
    pub(super) shape: Vec<u64>,
}

/// The entries of a dictionary that were read.
#[derive(Default)]
struct Entries {
    type_string: Option<String>,
    fortran_order: Option<bool>,
    shape: Option<Vec<u64>>,
}

impl Dictionary {
    /// Returns what `text` says.
    ///
    /// Only the part of Python that numpy writes is read: three keys, strings without escapes,
    /// `True`, `False`, and tuples of whole numbers. Nothing is read by recursion, so that nested
    /// brackets cannot exhaust the stack.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let mut parser = Parser { rest: text.trim() };
        let mut entries = Entries::default();
        parser.expect('{')?;
        while !parser.accept('}') {
            entries.read(&mut parser)?;
            if !parser.accept(',') {
                parser.expect('}')?;
                break;
            }
        }
        if !parser.rest.is_empty() {
            return Err("there is text after its dictionary".to_owned());
        }
        entries.complete()
    }
}

impl Entries {
    fn read(&mut self, parser: &mut Parser<'_>) -> Result<(), String> {
        let key = parser.string()?;
        parser.expect(':')?;
        match key {
            "descr" => self.type_string = Some(parser.type_string()?),
            "fortran_order" => self.fortran_order = Some(parser.boolean()?),
            "shape" => self.shape = Some(parser.tuple()?),
            _ => return Err(format!("it has the unknown key {key:?}")),
        }
        Ok(())
    }

    fn complete(self) -> Result<Dictionary, String> {
        let missing = |key: &str| format!("its dictionary has no key `{key}`");
        Ok(Dictionary {
            type_string: self.type_string.ok_or_else(|| missing("descr"))?,
            fortran_order: self.fortran_order.ok_or_else(|| missing("fortran_order"))?,
            shape: self.shape.ok_or_else(|| missing("shape"))?,
        })
    }
}

/// What is still to be read; it never begins with white space.
struct Parser<'t> {
    rest: &'t str,
}

impl<'t> Parser<'t> {
    /// Takes this many bytes, and the white space after them.
    fn take(&mut self, bytes: usize) -> &'t str {
        let (taken, rest) = self.rest.split_at(bytes);
        self.rest = rest.trim_start();
        taken
    }

    fn accept(&mut self, character: char) -> bool {
        let is_next = self.rest.starts_with(character);
        if is_next {
            self.take(character.len_utf8());
        }
        is_next
    }

    fn expect(&mut self, character: char) -> Result<(), String> {
        if self.accept(character) {
            return Ok(());
        }
        let found: String = self.rest.chars().take(10).collect();
        Err(format!("{character:?} was expected before {found:?}"))
    }

    /// Takes a string in single or double quotes.
    fn string(&mut self) -> Result<&'t str, String> {
        let quote = match self.rest.chars().next() {
            Some(quote @ ('\'' | '"')) => quote,
            _ => return Err("a string in quotes was expected".to_owned()),
        };
        // Both quotes take one byte.
        let end = self.rest[1..].find(quote);
        let end = end.ok_or_else(|| "a string has no end".to_owned())?;
        let quoted = self.take(end + 2);
        Ok(&quoted[1..=end])
    }

    /// Takes a string, or the source text of a structure in brackets.
    fn type_string(&mut self) -> Result<String, String> {
        if !self.rest.starts_with(['[', '(']) {
            return Ok(self.string()?.to_owned());
        }
        // The type of a structure is only shown, so that its end is all that matters.
        let mut depth = 0usize;
        for (place, character) in self.rest.char_indices() {
            match character {
                '[' | '(' => depth += 1,
                ']' | ')' => depth -= 1,
                _ => {}
            }
            if depth == 0 {
                return Ok(self.take(place + character.len_utf8()).to_owned());
            }
        }
        Err("a bracket is never closed".to_owned())
    }

    fn boolean(&mut self) -> Result<bool, String> {
        for (word, value) in [("True", true), ("False", false)] {
            if self.rest.starts_with(word) {
                self.take(word.len());
                return Ok(value);
            }
        }
        Err("`fortran_order` is neither True nor False".to_owned())
    }

    /// Takes a tuple of whole numbers.
    fn tuple(&mut self) -> Result<Vec<u64>, String> {
        self.expect('(')?;
        let mut numbers = Vec::new();
        // A comma may come after the last number, and must if there is only one.
        while !self.accept(')') {
            numbers.push(self.number()?);
            if !self.accept(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(numbers)
    }

    fn number(&mut self) -> Result<u64, String> {
        let end = self.rest.find(|c: char| !c.is_ascii_digit());
        let digits = self.take(end.unwrap_or(self.rest.len()));
        // Python 2 wrote long integers with an L.
        self.accept('L');
        let number = digits.parse();
        number.map_err(|_| format!("the size {digits:?} in its shape is beyond any file"))
    }
}
