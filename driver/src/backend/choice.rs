//! Which backend the driver process has: the value of `--backend`.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use serde_with::{DeserializeFromStr, SerializeDisplay};
use shared::text_schema;

/// The value of `--backend`.
#[derive(Debug, Clone, PartialEq, Eq, Default, SerializeDisplay, DeserializeFromStr)]
pub enum BackendChoice {
    /// The hardware model alone.
    #[default]
    Model,
    /// A TAP interface.
    Tap(InterfaceName),
    /// A wire to another driver, through the socket at this path.
    Wire(PathBuf),
}

/// A text that names no backend.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BackendChoiceError {
    /// The kind is none of the three.
    #[error("{0:?} is no backend; use model, tap=NAME or wire=PATH")]
    Kind(String),
    /// No interface can have that name.
    #[error("{name:?} cannot be the name of an interface: {why}; use a name such as tap0")]
    Name {
        /// The name.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// A wire without a path.
    #[error("wire needs the path of a socket, as in wire=/tmp/wire.sock")]
    NoPath,
}

/// The name of a network interface, which the kernel would accept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InterfaceName(String);

impl InterfaceName {
    /// Most bytes of a name.
    const LONGEST: usize = 15;

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InterfaceName {
    type Err = BackendChoiceError;

    fn from_str(name: &str) -> Result<Self, BackendChoiceError> {
        let why = match name {
            "" => "it is empty",
            "." | ".." => "it is reserved",
            name if name.len() > Self::LONGEST => "it is longer than 15 bytes",
            // The kernel refuses the others, and takes a percent sign for a request to choose a number.
            name if name.contains(|c: char| !c.is_ascii_graphic() || "/:%".contains(c)) => {
                "it contains a character that is not possible"
            }
            name => return Ok(Self(name.to_owned())),
        };
        Err(BackendChoiceError::Name { name: name.to_owned(), why })
    }
}

impl fmt::Display for InterfaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for BackendChoice {
    type Err = BackendChoiceError;

    fn from_str(text: &str) -> Result<Self, BackendChoiceError> {
        match text.split_once('=') {
            None if text == "model" => Ok(Self::Model),
            Some(("tap", name)) => Ok(Self::Tap(name.parse()?)),
            Some(("wire", "")) => Err(BackendChoiceError::NoPath),
            Some(("wire", path)) => Ok(Self::Wire(PathBuf::from(path))),
            _ => Err(BackendChoiceError::Kind(text.to_owned())),
        }
    }
}

impl fmt::Display for BackendChoice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Model => f.write_str("model"),
            Self::Tap(name) => write!(f, "tap={name}"),
            // It was parsed from text, so it is printed as it was written.
            Self::Wire(path) => write!(f, "wire={}", path.display()),
        }
    }
}

text_schema! {
    BackendChoice: "Where sent frames go, and arriving frames come from: model, tap=NAME or wire=PATH.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_is_written_as_it_is_read() {
        for text in ["model", "tap=tap0", "tap=123456789012345", "wire=/tmp/a b=c.sock"] {
            assert_eq!(text.parse::<BackendChoice>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_backend_is_an_error_that_says_why() {
        for (text, says) in [
            ("", "use model, tap=NAME or wire=PATH"),
            ("tun=tap0", "use model"),
            ("tap", "tap=NAME"),
            ("model=x", "use model"),
            ("tap=", "empty"),
            ("tap=..", "reserved"),
            ("tap=1234567890123456", "longer than 15"),
            ("tap=a/b", "character"),
            ("tap=tap%d", "character"),
            ("tap=a b", "character"),
            ("wire=", "wire=/tmp"),
        ] {
            let error = text.parse::<BackendChoice>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }
}
