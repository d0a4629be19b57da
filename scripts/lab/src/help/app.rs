//! `lab help app`: from the tables of kinds and keys that the parser of `--app` uses.

use clap::builder::StyledStr;
use netstack::app::{Key, Kind};

use super::{Text, columns};

pub(super) fn text() -> StyledStr {
    let intro = "An app offers packets to the stack: --app KIND:key=value,..., as often as there are apps. Without \
                 --app there is one, bulk. `lab help units` says how values are spelled.";
    let kinds = Kind::ALL.map(|kind| [kind.to_string(), kind.meaning().to_owned()]);
    let examples = Kind::ALL.map(|kind| [format!("--app {}", kind.example())]);
    Text::new(intro)
        .under("Kinds", &columns(kinds))
        .under("Keys", &columns(Key::ALL.map(key)))
        .under("Keys of each kind", &columns(Kind::ALL.map(|kind| [kind.to_string(), joined(kind.keys())])))
        .under("Examples", &columns(examples))
        .0
}

fn key(key: Key) -> [String; 3] {
    let default = key.default_value().map_or_else(String::new, |value| format!(" [default: {value}]"));
    [key.to_string(), key.value(), format!("{}{default}", key.meaning())]
}

fn joined(keys: impl Iterator<Item = Key>) -> String {
    keys.map(Key::name).collect::<Vec<_>>().join(", ")
}
