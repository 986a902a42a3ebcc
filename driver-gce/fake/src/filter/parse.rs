//! From text to a filter.

use super::{
    Kind,
    compare::{Comparison, Operator},
    expression::{Filter, FilterError, Node, RegularTerm},
    regular::Regular,
};

type Parsed<T> = Result<T, FilterError>;

/// Reads an expression from its left to its right.
pub(crate) struct Parser<'a> {
    text: &'a str,
    kind: Kind,
    depth: usize,
}

/// More nesting than anybody writes, and less than the stack holds.
const DEEPEST: usize = 50;

impl<'a> Parser<'a> {
    pub(crate) fn new(text: &'a str, kind: Kind) -> Self {
        Parser { text, kind, depth: 0 }
    }

    pub(crate) fn filter(mut self) -> Parsed<Filter> {
        if let Some(terms) = self.regular_terms()? {
            return Ok(Filter::Regular(terms));
        }
        let node = self.expression()?;
        self.skip_spaces();
        if self.text.is_empty() { Ok(Filter::Logic(node)) } else { Err(FilterError) }
    }

    fn skip_spaces(&mut self) {
        self.text = self.text.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.text.strip_prefix(token);
        self.text = rest.unwrap_or(self.text);
        rest.is_some()
    }

    /// A word that is an operator only if a field's or a value's end does not follow from it.
    fn eat_word(&mut self, word: &str) -> bool {
        self.skip_spaces();
        let Some(rest) = self.text.strip_prefix(word) else { return false };
        if !rest.is_empty() && !rest.starts_with([' ', '\t', '\n', '(', ')', '"']) {
            return false;
        }
        self.text = rest;
        true
    }

    /// "expression: sequence {AND sequence}", "sequence: factor {factor}": both are conjunctions.
    fn expression(&mut self) -> Parsed<Node> {
        let mut factors = vec![self.factor()?];
        loop {
            self.skip_spaces();
            if self.text.is_empty() || self.text.starts_with(')') {
                break;
            }
            self.eat_word("AND");
            factors.push(self.factor()?);
        }
        Ok(if factors.len() == 1 { factors.remove(0) } else { Node::And(factors) })
    }

    /// "factor: term {OR term}": `OR` binds tighter than `AND`.
    fn factor(&mut self) -> Parsed<Node> {
        let mut terms = vec![self.term()?];
        while self.eat_word("OR") {
            terms.push(self.term()?);
        }
        Ok(if terms.len() == 1 { terms.remove(0) } else { Node::Or(terms) })
    }

    fn term(&mut self) -> Parsed<Node> {
        self.skip_spaces();
        if self.eat_word("NOT") || self.eat("-") {
            return Ok(Node::Not(Box::new(self.simple()?)));
        }
        self.simple()
    }

    fn simple(&mut self) -> Parsed<Node> {
        self.skip_spaces();
        if !self.eat("(") {
            return self.comparison();
        }
        self.depth += 1;
        if self.depth > DEEPEST {
            return Err(FilterError);
        }
        let node = self.expression()?;
        self.depth -= 1;
        self.skip_spaces();
        if self.eat(")") { Ok(node) } else { Err(FilterError) }
    }

    fn comparison(&mut self) -> Parsed<Node> {
        let path = self.path()?;
        self.skip_spaces();
        let operators = [
            ("!=", Operator::NotEqual),
            ("<>", Operator::NotEqual),
            ("<=", Operator::LessOrEqual),
            (">=", Operator::GreaterOrEqual),
            ("=", Operator::Equal),
            ("<", Operator::Less),
            (">", Operator::Greater),
            (":", Operator::Has),
        ];
        let found = operators.into_iter().find(|(token, _)| self.eat(token));
        let operator = found.ok_or(FilterError)?.1;
        let (value, quoted) = self.value()?;
        let is_order = !matches!(operator, Operator::Equal | Operator::NotEqual | Operator::Has);
        if is_order && value.contains('*') && !quoted {
            return Err(FilterError);
        }
        Ok(Node::Compare { path, comparison: Comparison { operator, value, quoted } })
    }

    /// A field, or a field of one: `labels.pool`, `scheduling.automaticRestart`, `labels."with-dash"`.
    fn path(&mut self) -> Parsed<Vec<String>> {
        let mut path = Vec::new();
        loop {
            let name = match self.quoted()? {
                Some(name) if !path.is_empty() => name,
                Some(_) => return Err(FilterError),
                None => {
                    let in_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
                    let end = self.text.find(|c| !in_name(c)).unwrap_or(self.text.len());
                    let (name, rest) = self.text.split_at(end);
                    self.text = rest;
                    name.to_owned()
                }
            };
            if name.is_empty() {
                return Err(FilterError);
            }
            path.push(name);
            if !self.eat(".") {
                break;
            }
        }
        if path.first().is_some_and(|field| self.kind.has(field)) { Ok(path) } else { Err(FilterError) }
    }

    /// A value, and whether it is quoted.
    fn value(&mut self) -> Parsed<(String, bool)> {
        self.skip_spaces();
        if let Some(value) = self.quoted()? {
            return Ok((value, true));
        }
        let ends = |c: char| c.is_whitespace() || "()\"'=<>!,".contains(c);
        let end = self.text.find(ends).unwrap_or(self.text.len());
        let (value, rest) = self.text.split_at(end);
        if value.is_empty() {
            return Err(FilterError);
        }
        self.text = rest;
        Ok((value.to_owned(), false))
    }

    /// What is in quotes, if quotes are next. A backslash makes the next character an ordinary one.
    fn quoted(&mut self) -> Parsed<Option<String>> {
        let Some(quote) = self.text.chars().next().filter(|c| *c == '"' || *c == '\'') else {
            return Ok(None);
        };
        let mut value = String::new();
        let mut characters = self.text.char_indices().skip(1);
        while let Some((index, character)) = characters.next() {
            if character == quote {
                self.text = &self.text[index + quote.len_utf8()..];
                return Ok(Some(value));
            }
            let plain =
                if character == '\\' { characters.next().map(|(_, next)| next) } else { Some(character) };
            value.push(plain.ok_or(FilterError)?);
        }
        Err(FilterError)
    }
}

/// "use the `eq` (equal) or `ne` (not equal) operator against a single un-parenthesized expression with or
/// without quotes or against multiple parenthesized expressions".
impl Parser<'_> {
    /// The terms, if the expression is one of this type.
    fn regular_terms(&self) -> Parsed<Option<Vec<RegularTerm>>> {
        let whole = self.text;
        let mut rest = whole.trim();
        if !rest.starts_with('(') {
            return Ok(self.regular_term(rest)?.map(|term| vec![term]));
        }
        let mut terms = Vec::new();
        while let Some(inner_and_more) = rest.strip_prefix('(') {
            let Some(end) = closing(inner_and_more) else { break };
            let Some(term) = self.regular_term(&inner_and_more[..end])? else { break };
            terms.push(term);
            rest = inner_and_more[end + 1..].trim_start();
        }
        match (terms.is_empty(), rest.is_empty()) {
            (true, _) => Ok(None),
            (false, true) => Ok(Some(terms)),
            // The two types are mixed, or these are joined by `OR`.
            (false, false) => Err(FilterError),
        }
    }

    /// `text` as a term, if it has the form of one.
    fn regular_term(&self, text: &str) -> Parsed<Option<RegularTerm>> {
        let mut words = text.trim().splitn(2, char::is_whitespace);
        let (Some(field), Some(rest)) = (words.next(), words.next()) else { return Ok(None) };
        let rest = rest.trim();
        let (operator, literal) = rest.split_at(rest.find(char::is_whitespace).unwrap_or(rest.len()));
        let equal = match operator {
            "eq" => true,
            "ne" => false,
            _ => return Ok(None),
        };
        let mut field = Parser::new(field, self.kind);
        let path = field.path()?;
        let mut literal = Parser::new(literal.trim(), self.kind);
        let is_whole = field.text.is_empty();
        let pattern = match literal.quoted_as_it_is()? {
            Some(pattern) => pattern,
            None => literal.text,
        };
        if pattern.is_empty() || !is_whole {
            return Err(FilterError);
        }
        let literal = Regular::parse(pattern).ok_or(FilterError)?;
        Ok(Some(RegularTerm { path, equal, literal }))
    }
}

impl<'a> Parser<'a> {
    /// What is in quotes to the end, with its backslashes: they are the regular expression's.
    fn quoted_as_it_is(&mut self) -> Parsed<Option<&'a str>> {
        let Some(quote) = self.text.chars().next().filter(|c| *c == '"' || *c == '\'') else {
            return Ok(None);
        };
        let inner = self.text[1..].strip_suffix(quote).ok_or(FilterError)?;
        if inner.contains(quote) { Err(FilterError) } else { Ok(Some(inner)) }
    }
}

/// Where the parenthesis closes that is open at the start.
fn closing(text: &str) -> Option<usize> {
    let mut open = 1;
    let mut quote = None;
    for (index, character) in text.char_indices() {
        match (quote, character) {
            (Some(mark), _) if mark == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(') => open += 1,
            (None, ')') => open -= 1,
            (None, _) => {}
        }
        if open == 0 {
            return Some(index);
        }
    }
    None
}
