//! JSON from strangers.
//!
//! [`Cursor`] reads the header of a safetensors file. The header has one fixed form (objects in
//! one object, with strings and whole numbers inside), so a cursor that asks for exactly that form
//! needs no recursion and no tree, knows the byte of every mistake, sees duplicate keys before
//! they merge, and never copies a text of the file into a message. [`check`] looks at the JSON
//! texts of a model, which have any form, with `serde_json`.

use std::ops::Range;

use serde::de::IgnoredAny;
use serde::Deserialize;

use crate::{quote, Error};

/// A position in a JSON text that is known to be UTF-8.
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
    base: usize,
}

impl<'a> Cursor<'a> {
    /// A cursor at the start of `text`, which starts at byte `base` of the file.
    pub(crate) fn new(text: &'a str, base: usize) -> Self {
        Cursor { text, at: 0, base }
    }

    /// The position, counted from the start of the file.
    pub(crate) fn offset(&self) -> u64 {
        (self.base + self.at) as u64
    }

    /// The error of finding something else than `expected` here.
    fn unexpected(&self, expected: &str) -> Error {
        let found = match self.text[self.at..].chars().next() {
            Some(character) => quote(character.encode_utf8(&mut [0; 4])),
            None => "the end of the header".to_owned(),
        };
        Error::Json {
            place: "header".to_owned(),
            offset: self.offset(),
            problem: format!("expected {expected}, found {found}"),
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn skip_whitespace(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    /// Consumes `byte` (ASCII) if it comes next after whitespace.
    pub(crate) fn accept(&mut self, byte: u8) -> bool {
        self.skip_whitespace();
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    /// Consumes `byte` (ASCII), which `meaning` describes in the error.
    pub(crate) fn expect(&mut self, byte: u8, meaning: &str) -> Result<(), Error> {
        if self.accept(byte) {
            Ok(())
        } else {
            Err(self.unexpected(&format!("{:?} ({meaning})", char::from(byte))))
        }
    }

    /// After an element: true if a comma announces another one, false if `close` ends the list.
    pub(crate) fn more(&mut self, close: u8, meaning: &str) -> Result<bool, Error> {
        if self.accept(b',') {
            return Ok(true);
        }
        if self.accept(close) {
            return Ok(false);
        }
        Err(self.unexpected(&format!("',' or {:?} ({meaning})", char::from(close))))
    }

    /// A string, and where its characters lie in the file (without the quotation marks, escapes
    /// not resolved).
    pub(crate) fn string(&mut self, meaning: &str) -> Result<(String, Range<usize>), Error> {
        if !self.accept(b'"') {
            return Err(self.unexpected(&format!("a string ({meaning})")));
        }
        let start = self.at;
        let mut escapes = false;
        loop {
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => {
                    escapes = true;
                    // The byte after a backslash is part of the escape, also if it is a quotation
                    // mark. A wider character there is refused when the escapes are resolved.
                    self.at += 2;
                }
                Some(0..0x20) | None => {
                    self.at = self.at.min(self.text.len());
                    return Err(self.unexpected("a character of a string or its closing '\"'"));
                }
                Some(_) => self.at += 1,
            }
        }
        let end = self.at;
        self.at += 1;
        let place = self.base + start..self.base + end;
        let raw = &self.text[start..end];
        let mut value = String::new();
        value
            .try_reserve_exact(raw.len())
            .map_err(|_| Error::OutOfMemory { what: meaning.to_owned(), bytes: raw.len() as u64 })?;
        if escapes {
            unescape(raw, &mut value).map_err(|at| Error::Json {
                place: "header".to_owned(),
                offset: (self.base + start + at) as u64,
                problem: "expected a valid escape sequence in a string, found another one".to_owned(),
            })?;
        } else {
            value.push_str(raw);
        }
        Ok((value, place))
    }

    /// A whole number from 0 to 2⁶⁴ − 1, in digits only.
    pub(crate) fn whole_number(&mut self, meaning: &str) -> Result<u64, Error> {
        self.skip_whitespace();
        let rest = &self.text[self.at..];
        let end = rest
            .bytes()
            .position(|byte| !matches!(byte, b'0'..=b'9' | b'+' | b'-' | b'.' | b'a'..=b'z' | b'A'..=b'Z'))
            .unwrap_or(rest.len());
        let digits = &rest[..end];
        let canonical =
            digits.bytes().all(|byte| byte.is_ascii_digit()) && (digits.len() == 1 || !digits.starts_with('0'));
        match digits.parse() {
            Ok(number) if canonical => {
                self.at += end;
                Ok(number)
            }
            _ if digits.is_empty() => Err(self.unexpected(&format!("a whole number ({meaning})"))),
            _ => Err(Error::Json {
                place: "header".to_owned(),
                offset: self.offset(),
                problem: format!("expected a whole number below 2^64 ({meaning}), found {}", quote(digits)),
            }),
        }
    }

    /// The end of the header: nothing but spaces.
    pub(crate) fn end(&mut self) -> Result<(), Error> {
        while self.peek() == Some(b' ') {
            self.at += 1;
        }
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(self.unexpected("spaces up to the end of the header")),
        }
    }
}

/// Appends `raw` to `value` with its escapes resolved; the error is the byte of a bad escape.
fn unescape(raw: &str, value: &mut String) -> Result<(), usize> {
    let mut rest = raw;
    while let Some(plain) = rest.find('\\') {
        let at = raw.len() - rest.len() + plain;
        value.push_str(&rest[..plain]);
        rest = &rest[plain + 1..];
        let character = match rest.bytes().next() {
            Some(b'u') => {
                let (character, used) = unicode_escape(rest).ok_or(at)?;
                rest = &rest[used..];
                value.push(character);
                continue;
            }
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            _ => return Err(at),
        };
        value.push(character);
        rest = &rest[1..];
    }
    value.push_str(rest);
    Ok(())
}

/// The character of `uXXXX` or `uXXXX\uXXXX` at the start of `text`, and the bytes it takes.
/// Nothing for a surrogate without its partner.
fn unicode_escape(text: &str) -> Option<(char, usize)> {
    let unit = |at: usize| -> Option<u32> {
        let digits = text.get(at..at + 4)?;
        let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        if hexadecimal {
            u32::from_str_radix(digits, 16).ok()
        } else {
            None
        }
    };
    let first = unit(1)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, 5));
    }
    if text.get(5..7)? != "\\u" {
        return None;
    }
    let second = unit(7)?;
    if !(0xdc00..0xe000).contains(&second) {
        return None;
    }
    let code = 0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00);
    Some((char::from_u32(code)?, 11))
}

/// Checks that `text` is one JSON value nested at most `depth` deep; `place` names it in errors.
///
/// Neither recursion nor memory grows with the text. An escaped surrogate without its partner is
/// let through: the grammar allows it, and `JSON.stringify` writes it for a string that JavaScript
/// cut in the middle of a character.
pub(crate) fn check(place: &str, text: &str, depth: usize) -> Result<(), Error> {
    let deepest = nesting(text);
    if deepest > depth {
        return Err(Error::TooLarge {
            what: format!("nesting of {place}"),
            found: deepest as u64,
            limit: depth as u64,
            limit_name: "json_depth",
        });
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    IgnoredAny::deserialize(&mut deserializer).and_then(|IgnoredAny| deserializer.end()).map_err(|error| Error::Json {
        place: place.to_owned(),
        offset: byte_of(text, error.line(), error.column()),
        problem: format!("expected JSON, found an error: {error}"),
    })
}

/// The largest number of brackets open at once outside strings.
fn nesting(text: &str) -> usize {
    let (mut depth, mut deepest) = (0usize, 0usize);
    let (mut quoted, mut escaped) = (false, false);
    for byte in text.bytes() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

/// The byte of a one-based line and column as `serde_json` counts them.
fn byte_of(text: &str, line: usize, column: usize) -> u64 {
    let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
    (before + column.saturating_sub(1)).min(text.len()) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Option<String> {
        let mut cursor = Cursor::new(text, 0);
        let (value, place) = cursor.string("test").ok()?;
        cursor.end().ok()?;
        assert!(text.get(place).is_some());
        Some(value)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn strings_are_read_as_serde_json_reads_them(text in r#""([a\\"/bfnrtu0dDeE8cC9é🐝\x01\x7f]|\\u[dD][89a-fA-F][0-9a-f]{2}|\\[u"\\n]){0,12}""#) {
            prop_assert_eq!(read(&text), serde_json::from_str::<String>(&text).ok());
        }

        #[test]
        fn whole_numbers_are_read_as_serde_json_reads_them(text in "[-+]?[0-9]{1,21}([.eE][0-9]{0,2})?") {
            let mut cursor = Cursor::new(&text, 0);
            let number = cursor.whole_number("test").ok();
            prop_assert_eq!(number, serde_json::from_str::<u64>(&text).ok());
        }

        #[test]
        fn json_is_accepted_as_serde_json_accepts_it(text in r#"([\[\]{},:0-9.eE+-]|"[a\\n]{0,3}"|true|null|"a":| |\n){0,10}"#) {
            // The same grammar; only numbers too large for a double are a matter of taste.
            let reference = serde_json::from_str::<serde_json::Value>(&text);
            let overflow = reference.as_ref().is_err_and(|error| error.to_string().contains("out of range"));
            prop_assert!(overflow || check("text", &text, 64).is_ok() == reference.is_ok());
        }
    }

    #[test]
    fn nesting_counts_brackets_outside_strings() {
        assert_eq!(nesting(r#"{"a[[[[\"[":[1,{"b":[]}]}"#), 4);
        assert_eq!(nesting("]]]["), 1);
    }

    #[test]
    fn nesting_of_64_is_accepted_and_65_refused() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(check("config", &nested(64), 64).is_ok());
        let error = check("config", &nested(65), 64).unwrap_err();
        assert_eq!(error.to_string(), "nesting of config is 65, expected at most 64 (limit json_depth)");
    }

    #[test]
    fn ten_million_brackets_do_not_overflow_the_stack() {
        let text = "[".repeat(10_000_000);
        assert!(check("config", &text, 64).is_err());
        assert!(check("config", &text, usize::MAX).is_err());
    }

    #[test]
    fn an_error_in_a_document_names_its_byte() {
        let error = check("document.labels", "{\n \"a\": x}", 64).unwrap_err();
        assert!(matches!(error, Error::Json { offset: 8, .. }), "{error}");
    }

    #[test]
    fn a_surrogate_without_partner_is_accepted_in_a_document() {
        assert!(check("document.tokenizer", r#"["\ud83d"]"#, 64).is_ok());
    }
}
