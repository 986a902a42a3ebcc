//! Regular expressions: the part of RE2's syntax (<https://github.com/google/re2/wiki/Syntax>) that names,
//! labels and states are looked for with. No class escapes beyond `\d`, `\w` and `\s`, no flags, no named
//! groups.

use std::collections::BTreeSet;

/// A regular expression.
#[derive(Debug)]
pub(crate) struct Regular(Expression);

#[derive(Debug)]
enum Expression {
    /// One of these.
    Either(Vec<Expression>),
    /// All of these, one after the other.
    Then(Vec<Expression>),
    /// As many as from the first to the second.
    Repeat(Box<Expression>, usize, Option<usize>),
    /// A character.
    One(Class),
    /// The text's start, or its end.
    Start,
    End,
}

/// Which characters.
#[derive(Debug, Default)]
struct Class {
    not: bool,
    ranges: Vec<(char, char)>,
}

/// How often a part may be repeated, as in RE2: all in all, if repeats are within repeats.
const MOST_REPEATS: usize = 1000;

impl Regular {
    pub(crate) fn parse(pattern: &str) -> Option<Self> {
        let mut reader = Reader { rest: pattern, depth: 0 };
        let expression = reader.either()?;
        reader.rest.is_empty().then_some(Regular(expression))
    }

    /// Whether the whole text matches.
    pub(crate) fn matches(&self, text: &str) -> bool {
        let text: Vec<char> = text.chars().collect();
        self.0.ends(&text, &BTreeSet::from([0])).contains(&text.len())
    }
}

impl Expression {
    /// How often the part that is repeated most often is repeated at least, by the numbers in braces.
    fn repeats(&self) -> usize {
        match self {
            Expression::Either(parts) | Expression::Then(parts) => {
                parts.iter().map(Expression::repeats).max().unwrap_or(1)
            }
            Expression::Repeat(part, least, most) => {
                part.repeats().saturating_mul(most.unwrap_or(*least).max(1))
            }
            Expression::One(_) | Expression::Start | Expression::End => 1,
        }
    }

    /// Where matches end that start at any of `starts`. Sets of places make this quick for every expression.
    fn ends(&self, text: &[char], starts: &BTreeSet<usize>) -> BTreeSet<usize> {
        match self {
            Expression::Either(parts) => parts.iter().flat_map(|part| part.ends(text, starts)).collect(),
            Expression::Then(parts) => {
                parts.iter().fold(starts.clone(), |places, part| part.ends(text, &places))
            }
            Expression::One(class) => starts
                .iter()
                .filter(|at| text.get(**at).is_some_and(|c| class.has(*c)))
                .map(|at| at + 1)
                .collect(),
            Expression::Start => starts.iter().copied().filter(|at| *at == 0).collect(),
            Expression::End => starts.iter().copied().filter(|at| *at == text.len()).collect(),
            Expression::Repeat(part, least, most) => {
                let mut places = starts.clone();
                for _ in 0..*least {
                    places = part.ends(text, &places);
                }
                let mut all = places.clone();
                let mut count = *least;
                while !places.is_empty() && most.is_none_or(|most| count < most) {
                    places = part.ends(text, &places).difference(&all).copied().collect();
                    all.extend(&places);
                    count += 1;
                }
                all
            }
        }
    }
}

impl Class {
    fn of(ranges: &[(char, char)]) -> Self {
        Class { not: false, ranges: ranges.to_vec() }
    }

    fn has(&self, character: char) -> bool {
        self.ranges.iter().any(|(from, to)| (*from..=*to).contains(&character)) != self.not
    }
}

struct Reader<'a> {
    rest: &'a str,
    depth: usize,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let mut characters = self.rest.chars();
        let next = characters.next();
        self.rest = characters.as_str();
        next
    }

    fn eat(&mut self, token: &str) -> bool {
        let rest = self.rest.strip_prefix(token);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn either(&mut self) -> Option<Expression> {
        self.depth += 1;
        if self.depth > 50 {
            return None;
        }
        let mut parts = vec![self.then()?];
        while self.eat("|") {
            parts.push(self.then()?);
        }
        self.depth -= 1;
        Some(if parts.len() == 1 { parts.remove(0) } else { Expression::Either(parts) })
    }

    fn then(&mut self) -> Option<Expression> {
        let mut parts = Vec::new();
        while !self.rest.is_empty() && !self.rest.starts_with(['|', ')']) {
            let part = self.atom()?;
            parts.push(self.repeated(part)?);
        }
        Some(Expression::Then(parts))
    }

    fn atom(&mut self) -> Option<Expression> {
        Some(match self.next()? {
            '(' => {
                self.eat("?:");
                let inner = self.either()?;
                return self.eat(")").then_some(inner);
            }
            '.' => Expression::One(Class { not: true, ranges: vec![('\n', '\n')] }),
            '[' => Expression::One(self.class()?),
            '^' => Expression::Start,
            '$' => Expression::End,
            '\\' => Expression::One(self.escaped()?),
            '*' | '+' | '?' | '{' => return None,
            plain => Expression::One(Class::of(&[(plain, plain)])),
        })
    }

    fn repeated(&mut self, part: Expression) -> Option<Expression> {
        let (least, most) = match self.rest.chars().next() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => {
                let (inner, rest) = self.rest[1..].split_once('}')?;
                self.rest = rest;
                let (least, most) = inner.split_once(',').unwrap_or((inner, inner));
                let least = least.parse().ok()?;
                let most = if most.is_empty() { None } else { Some(most.parse().ok()?) };
                let is_reversed = most.is_some_and(|most| most < least);
                let repeat = Expression::Repeat(Box::new(part), least, most);
                return (!is_reversed && repeat.repeats() <= MOST_REPEATS).then_some(repeat);
            }
            _ => return Some(part),
        };
        self.next();
        // A lazy repeat matches the same texts as a greedy one.
        self.eat("?");
        Some(Expression::Repeat(Box::new(part), least, most))
    }

    fn escaped(&mut self) -> Option<Class> {
        Some(match self.next()? {
            'd' => Class::of(&[('0', '9')]),
            'w' => Class::of(&[('0', '9'), ('A', 'Z'), ('a', 'z'), ('_', '_')]),
            's' => Class::of(&[(' ', ' '), ('\t', '\r')]),
            letter if letter.is_ascii_alphanumeric() => return None,
            plain => Class::of(&[(plain, plain)]),
        })
    }

    /// After its bracket.
    fn class(&mut self) -> Option<Class> {
        let mut class = Class { not: self.eat("^"), ranges: Vec::new() };
        loop {
            let from = match self.next()? {
                ']' if !class.ranges.is_empty() => return Some(class),
                '\\' => {
                    class.ranges.extend(self.escaped()?.ranges);
                    continue;
                }
                from => from,
            };
            let is_range = self.rest.starts_with('-') && !self.rest.starts_with("-]");
            let to = if is_range {
                self.next();
                self.next()?
            } else {
                from
            };
            if to < from {
                return None;
            }
            class.ranges.push((from, to));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Regular;

    fn matches(pattern: &str, text: &str) -> bool {
        Regular::parse(pattern).unwrap_or_else(|| panic!("{pattern}")).matches(text)
    }

    #[test]
    fn what_matches() {
        for (pattern, text) in [
            ("", ""),
            ("abc", "abc"),
            ("a.c", "axc"),
            ("a*", ""),
            ("a*", "aaa"),
            ("a+b?", "aa"),
            ("(a|b)c", "bc"),
            ("(?:ab)+", "abab"),
            ("[a-c]{2,3}", "abc"),
            ("[^a]b", "bb"),
            ("[]a]+", "]a"),
            ("[a-]+", "a-"),
            ("^a$", "a"),
            (r"\d+\.\d", "12.3"),
            ("(a*)*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab"),
            (".*instance", "an instance"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in
            [("a", "ab"), ("b", "ab"), ("a{2}", "aaa"), ("[^a]", "a"), ("a.c", "ac"), ("(a*)*b", "aaaaaaaac")]
        {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }

    #[test]
    fn what_is_none() {
        for pattern in
            ["(", ")", "[", "[a", "*", "a{", "a{2,1}", "a{9999}", "((a?){99}){99}", r"\", r"\p", "[b-a]"]
        {
            assert!(Regular::parse(pattern).is_none(), "{pattern}");
        }
    }
}
