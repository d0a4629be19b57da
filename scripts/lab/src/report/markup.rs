//! Writes SVG and HTML element by element: what is open is closed, and every text and attribute is escaped.

use std::fmt::{Display, Write};

/// The name of an attribute, and its value.
pub(crate) type Attribute<'a> = (&'a str, &'a dyn Display);

/// A document that grows.
#[derive(Debug, Default)]
pub(crate) struct Markup {
    text: String,
    open: Vec<&'static str>,
}

impl Markup {
    /// The beginning of an element; what follows is in it, until [`Markup::close`].
    pub(crate) fn open(&mut self, name: &'static str, attributes: &[Attribute<'_>]) {
        self.tag(name, attributes, ">");
        self.open.push(name);
    }

    /// The end of the element that was opened last.
    pub(crate) fn close(&mut self) {
        if let Some(name) = self.open.pop() {
            self.raw(&format!("</{name}>"));
        }
    }

    /// An element with nothing in it.
    pub(crate) fn empty(&mut self, name: &str, attributes: &[Attribute<'_>]) {
        self.tag(name, attributes, "/>");
    }

    /// An element with a text in it.
    pub(crate) fn leaf(&mut self, name: &'static str, attributes: &[Attribute<'_>], text: impl Display) {
        self.open(name, attributes);
        self.text(text);
        self.close();
    }

    /// A text between elements.
    pub(crate) fn text(&mut self, text: impl Display) {
        self.text += &escaped(&text.to_string());
    }

    /// Markup that is complete in itself, such as a style sheet of this program.
    pub(crate) fn raw(&mut self, markup: &str) {
        self.text += markup;
    }

    /// A line feed, so that a reader of the file finds its parts.
    pub(crate) fn line(&mut self) {
        self.text.push('\n');
    }

    /// The document.
    pub(crate) fn finish(mut self) -> String {
        while !self.open.is_empty() {
            self.close();
        }
        self.text
    }

    fn tag(&mut self, name: &str, attributes: &[Attribute<'_>], end: &str) {
        self.raw(&format!("<{name}"));
        for (name, value) in attributes {
            // A `String` takes every write.
            let _ = write!(self.text, " {name}=\"{}\"", escaped(&value.to_string()));
        }
        self.raw(end);
    }
}

/// `text` with references in place of the characters that have a meaning in XML and HTML. Control characters, which XML
/// cannot hold, become spaces.
fn escaped(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe += "&amp;",
            '<' => safe += "&lt;",
            '>' => safe += "&gt;",
            '"' => safe += "&quot;",
            '\n' | '\t' => safe.push(c),
            c if c.is_control() => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_closed_and_texts_are_escaped() {
        let mut svg = Markup::default();
        svg.open("g", &[("class", &"a\"b"), ("x", &1.5)]);
        svg.leaf("text", &[], "1 < 2 & \u{1b}[0m");
        svg.empty("path", &[]);
        assert_eq!(svg.finish(), "<g class=\"a&quot;b\" x=\"1.5\"><text>1 &lt; 2 &amp;  [0m</text><path/></g>");
    }
}
