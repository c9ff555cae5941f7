//! Writing: members appended in order, separators kept by the writer.

use std::fmt::{self, Write};

/// JSON under construction. The caller opens and closes arrays and objects in pairs and writes one value per key.
///
/// Numbers are written as the shortest decimal that reads back to the same `f64`, whole ones without a fraction.
/// JSON has no NaN and no infinities; they are written as the texts `"NaN"`, `"Infinity"` and `"-Infinity"`, as the
/// JSON mapping of Protocol Buffers (and so of the Open Inference Protocol) does.
#[derive(Debug, Default)]
pub(crate) struct JsonWriter {
    out: String,
    separator_due: bool,
}

impl JsonWriter {
    pub(crate) fn new() -> JsonWriter {
        JsonWriter {
            out: String::with_capacity(1024),
            separator_due: false,
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.out.into_bytes()
    }

    pub(crate) fn finish_text(self) -> String {
        self.out
    }

    pub(crate) fn begin_object(&mut self) -> &mut JsonWriter {
        self.open('{')
    }

    pub(crate) fn end_object(&mut self) -> &mut JsonWriter {
        self.close('}')
    }

    pub(crate) fn begin_array(&mut self) -> &mut JsonWriter {
        self.open('[')
    }

    pub(crate) fn end_array(&mut self) -> &mut JsonWriter {
        self.close(']')
    }

    /// The key of the next value.
    pub(crate) fn key(&mut self, name: &str) -> &mut JsonWriter {
        self.separate();
        self.quote(name);
        self.out.push(':');
        self.separator_due = false;
        self
    }

    pub(crate) fn text(&mut self, value: &str) -> &mut JsonWriter {
        self.separate();
        self.quote(value);
        self
    }

    pub(crate) fn number(&mut self, value: f64) -> &mut JsonWriter {
        self.float(value, format_args!("{value:?}"))
    }

    /// A 32-bit float: the shortest decimal that reads back to the same `f32`.
    pub(crate) fn single(&mut self, value: f32) -> &mut JsonWriter {
        self.float(f64::from(value), format_args!("{value:?}"))
    }

    fn float(&mut self, value: f64, shortest: fmt::Arguments<'_>) -> &mut JsonWriter {
        if !value.is_finite() {
            return self.text(if value.is_nan() {
                "NaN"
            } else if value > 0.0 {
                "Infinity"
            } else {
                "-Infinity"
            });
        }
        self.separate();
        let whole = value.abs() < 1e15 && value == (value as i64) as f64;
        let written = if whole {
            write!(self.out, "{}", value as i64)
        } else {
            self.out.write_fmt(shortest)
        };
        written.expect("writing to a string cannot fail");
        self
    }

    pub(crate) fn integer(&mut self, value: u64) -> &mut JsonWriter {
        self.raw(&value.to_string())
    }

    pub(crate) fn boolean(&mut self, value: bool) -> &mut JsonWriter {
        self.raw(if value { "true" } else { "false" })
    }

    pub(crate) fn null(&mut self) -> &mut JsonWriter {
        self.raw("null")
    }

    /// A value that is JSON already.
    pub(crate) fn raw(&mut self, json: &str) -> &mut JsonWriter {
        self.separate();
        self.out.push_str(json);
        self
    }

    /// An array of numbers.
    pub(crate) fn numbers(&mut self, values: impl IntoIterator<Item = f64>) -> &mut JsonWriter {
        self.begin_array();
        for value in values {
            self.number(value);
        }
        self.end_array()
    }

    /// An array of texts.
    pub(crate) fn texts<'t>(
        &mut self,
        values: impl IntoIterator<Item = &'t str>,
    ) -> &mut JsonWriter {
        self.begin_array();
        for value in values {
            self.text(value);
        }
        self.end_array()
    }

    fn open(&mut self, bracket: char) -> &mut JsonWriter {
        self.separate();
        self.out.push(bracket);
        self.separator_due = false;
        self
    }

    fn close(&mut self, bracket: char) -> &mut JsonWriter {
        self.out.push(bracket);
        self.separator_due = true;
        self
    }

    fn separate(&mut self) {
        if self.separator_due {
            self.out.push(',');
        }
        self.separator_due = true;
    }

    fn quote(&mut self, text: &str) {
        self.out.push('"');
        let mut plain = 0;
        for (at, byte) in text.bytes().enumerate() {
            let escape = match byte {
                b'"' => "\\\"",
                b'\\' => "\\\\",
                b'\n' => "\\n",
                b'\r' => "\\r",
                b'\t' => "\\t",
                0..0x20 => "",
                _ => continue,
            };
            self.out.push_str(&text[plain..at]);
            if escape.is_empty() {
                write!(self.out, "\\u{byte:04x}").expect("writing to a string cannot fail");
            } else {
                self.out.push_str(escape);
            }
            plain = at + 1;
        }
        self.out.push_str(&text[plain..]);
        self.out.push('"');
    }
}
