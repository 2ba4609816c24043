//! Whether a name fits a pattern of Apache's configuration: wildcards such as `*.fcgi` in `<Files>` and `<Directory>`, and the
//! regular expressions of `<FilesMatch>` and RewriteRule. Pure. Called by `htaccess` and `apache`.
//!
//! Apache's expressions are Perl's. Of these only what such files usually have is known here; an expression with anything else
//! in it is taken to fit.

/// An expression that is longer, or takes more steps, is taken to fit: anybody who may upload a file can write one.
const LONGEST: usize = 1000;
const MOST_STEPS: usize = 20_000;

/// Whether the regular expression fits a part of `text`.
pub(super) fn fits(expression: &str, text: &str) -> bool {
    if expression.len() > LONGEST {
        return true;
    }
    // Only ASCII letters count as the same in either case; so they do in Apache's expressions.
    let (expression, text) = match expression.strip_prefix("(?i)") {
        Some(rest) => (rest.to_ascii_lowercase(), text.to_ascii_lowercase()),
        None => (expression.to_owned(), text.to_owned()),
    };
    let mut reader = Reader(expression.chars().collect(), 0);
    let Some(choices) = reader.choices().filter(|_| reader.1 == reader.0.len()) else {
        return true;
    };
    let text: Vec<char> = text.chars().collect();
    let mut search = Search {
        text: &text,
        steps: 0,
    };
    let found = (0..=text.len()).any(|at| search.any(&choices, at, &mut |_, _| true));
    found || search.steps > MOST_STEPS
}

/// Whether wildcards, as a shell has them, fit all of `text`. None of them fits a slash.
pub(super) fn fits_wildcards(wildcards: &str, text: &str) -> bool {
    let mut expression = String::from("^");
    for c in wildcards.chars() {
        match c {
            '*' => expression += "[^/]*",
            '?' => expression += "[^/]",
            '[' | ']' | '-' | '^' => expression.push(c),
            c if c.is_alphanumeric() || c == '/' => expression.push(c),
            c => expression.extend(['\\', c]),
        }
    }
    fits(&(expression + "$"), text)
}

/// A piece of an expression.
enum Piece {
    Start,
    End,
    Char(char),
    Any,
    /// `[a-z_]`: ranges of characters; and whether it is `[^a-z_]`, all others.
    Class(Vec<(char, char)>, bool),
    Group(Choices),
    /// `(?=…)` and `(?!…)`: whether the text that follows has to fit. No text is used up.
    Ahead(Choices, bool),
    /// How often at least, and at most.
    Repeated(Box<Piece>, usize, usize),
}

/// What `|` divides: one of these sequences has to fit.
type Choices = Vec<Vec<Piece>>;

/// The characters of an expression, and how many of them are read.
struct Reader(Vec<char>, usize);

impl Reader {
    fn next(&mut self) -> Option<char> {
        let c = self.0.get(self.1).copied();
        self.1 += 1;
        c
    }

    fn takes(&mut self, text: &str) -> bool {
        let is_it = self.0[self.1.min(self.0.len())..]
            .iter()
            .copied()
            .take(text.len())
            .eq(text.chars());
        self.1 += if is_it { text.len() } else { 0 };
        is_it
    }

    /// Reads up to the end of the expression, or to the bracket that ends the group. `None`: there is something unknown in it.
    fn choices(&mut self) -> Option<Choices> {
        let mut choices = vec![Vec::new()];
        while let Some(&c) = self.0.get(self.1) {
            match c {
                ')' => break,
                '|' => {
                    self.1 += 1;
                    choices.push(Vec::new());
                }
                _ => {
                    let piece = self.piece()?;
                    let piece = self.repeated(piece)?;
                    choices.last_mut()?.push(piece);
                }
            }
        }
        Some(choices)
    }

    fn piece(&mut self) -> Option<Piece> {
        Some(match self.next()? {
            '^' => Piece::Start,
            '$' => Piece::End,
            '.' => Piece::Any,
            '[' => self.class()?,
            '\\' => match self.next()? {
                'd' => Piece::Class(vec![('0', '9')], false),
                'w' => Piece::Class(vec![('a', 'z'), ('A', 'Z'), ('0', '9'), ('_', '_')], false),
                c if c.is_alphanumeric() => return None,
                c => Piece::Char(c),
            },
            '(' => {
                let ahead = match () {
                    () if self.takes("?!") => Some(false),
                    () if self.takes("?=") => Some(true),
                    () if self.takes("?:") || self.0.get(self.1) != Some(&'?') => None,
                    () => return None,
                };
                let choices = self.choices()?;
                (self.next()? == ')').then_some(())?;
                match ahead {
                    Some(wanted) => Piece::Ahead(choices, wanted),
                    None => Piece::Group(choices),
                }
            }
            '*' | '+' | '?' | '{' => return None,
            c => Piece::Char(c),
        })
    }

    fn class(&mut self) -> Option<Piece> {
        let (is_other, mut ranges) = (self.takes("^"), Vec::new());
        loop {
            let c = match self.next()? {
                ']' if !ranges.is_empty() => return Some(Piece::Class(ranges, is_other)),
                '\\' => self.next().filter(|c| !c.is_alphanumeric())?,
                c => c,
            };
            let is_range = self.0.get(self.1) == Some(&'-') && self.0.get(self.1 + 1) != Some(&']');
            let end = match is_range {
                true => {
                    self.1 += 1;
                    self.next()?
                }
                false => c,
            };
            ranges.push((c, end));
        }
    }

    fn repeated(&mut self, piece: Piece) -> Option<Piece> {
        let (least, most) = match self.0.get(self.1) {
            Some('*') => (0, usize::MAX),
            Some('+') => (1, usize::MAX),
            Some('?') => (0, 1),
            Some('{') => return None,
            _ => return Some(piece),
        };
        self.1 += 1;
        // A `?` behind it makes it lazy, which changes how much it takes, but not whether it fits.
        self.takes("?");
        Some(Piece::Repeated(Box::new(piece), least, most))
    }
}

struct Search<'t> {
    text: &'t [char],
    steps: usize,
}

/// Whether the rest of the expression fits from a place of the text on.
type Then<'t, 'f> = &'f mut dyn FnMut(&mut Search<'t>, usize) -> bool;

impl<'t> Search<'t> {
    fn any(&mut self, choices: &Choices, at: usize, then: Then<'t, '_>) -> bool {
        choices.iter().any(|pieces| self.all(pieces, at, then))
    }

    fn all(&mut self, pieces: &[Piece], at: usize, then: Then<'t, '_>) -> bool {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return false;
        }
        let Some((piece, rest)) = pieces.split_first() else {
            return then(self, at);
        };
        self.one(piece, at, &mut |search, at| search.all(rest, at, then))
    }

    fn one(&mut self, piece: &Piece, at: usize, then: Then<'t, '_>) -> bool {
        let fits = |wanted: &dyn Fn(char) -> bool| self.text.get(at).is_some_and(|&c| wanted(c));
        match piece {
            Piece::Start => at == 0 && then(self, at),
            Piece::End => at == self.text.len() && then(self, at),
            Piece::Char(c) => fits(&|other| other == *c) && then(self, at + 1),
            Piece::Any => fits(&|_| true) && then(self, at + 1),
            Piece::Class(ranges, is_other) => {
                let is_in = |c: char| ranges.iter().any(|(from, to)| (*from..=*to).contains(&c));
                fits(&|c| is_in(c) != *is_other) && then(self, at + 1)
            }
            Piece::Group(choices) => self.any(choices, at, then),
            Piece::Ahead(choices, wanted) => {
                self.any(choices, at, &mut |_, _| true) == *wanted && then(self, at)
            }
            Piece::Repeated(piece, least, most) => self.repeated(piece, *least, *most, at, then),
        }
    }

    fn repeated(
        &mut self,
        piece: &Piece,
        least: usize,
        most: usize,
        at: usize,
        then: Then<'t, '_>,
    ) -> bool {
        self.steps += 1;
        if self.steps > MOST_STEPS {
            return false;
        }
        let again = most > 0
            && self.one(piece, at, &mut |search, end| {
                // A piece that fits the empty text could be repeated for ever.
                end > at && search.repeated(piece, least.saturating_sub(1), most - 1, end, then)
            });
        again || (least == 0 && then(self, at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_fit_as_perls_do() {
        for (expression, text, wanted) in [
            (r"\.cgi$", "app.cgi", true),
            (r"\.cgi$", "app.cgi.bak", false),
            (r"\.(cgi|pl|f?cgi)$", "app.fcgi", true),
            (r"^app\.fcgi$", "app.fcgi", true),
            (r"^app\.fcgi$", "appxfcgi", false),
            (r"(?i)^APP", "app.fcgi", true),
            (r"^(?!app\.fcgi$)(\..*|.*\.bak)$", "app.fcgi", false),
            (r"^(?!app\.fcgi$)(\..*|.*\.bak)$", "x.bak", true),
            (r"^[a-z.]+$", "app.fcgi", true),
            (r"^[^.]+$", "app.fcgi", false),
            (r"^app\.fcgi(/|$)", "app.fcgi/x", true),
            (r"^(a|b)*c?$", "ababc", true),
            (r"^\w+\d$", "a1", true),
            ("", "x", true),
            ("^$", "x", false),
            // Unknown, and so taken to fit.
            (r"^\p{L}$", "app", true),
            ("(", "app", true),
            ("x{3}", "app", true),
        ] {
            assert_eq!(fits(expression, text), wanted, "{expression} {text}");
        }
    }

    #[test]
    fn wildcards_are_a_shells() {
        for (wildcards, text, wanted) in [
            ("*.fcgi", "app.fcgi", true),
            ("app.*", "app.fcgi", true),
            ("app.fcg?", "app.fcgi", true),
            ("[ab]pp.fcgi", "app.fcgi", true),
            ("*.cgi", "app.fcgi", false),
            ("*", "a/b", false),
            ("app+fcgi", "app.fcgi", false),
        ] {
            assert_eq!(
                fits_wildcards(wildcards, text),
                wanted,
                "{wildcards} {text}"
            );
        }
    }

    /// Whoever may upload a `.htaccess` does not keep `check` busy with it.
    #[test]
    fn what_would_take_for_ever_is_taken_to_fit() {
        let text = "a".repeat(200) + "b";
        assert!(fits("^(a+)+$", &text));
        assert!(fits(&"(".repeat(LONGEST), &text));
        assert!(fits(&"(a*)*".repeat(100), &text));
        assert!(!fits("^(()*)*$", "x"));
    }
}
