//! `lab help exit`: from the statuses themselves, in the order in which one wins over another.

use clap::builder::StyledStr;
use shared::process::exit::Status;

use super::{Text, columns, indented};

pub(super) fn text() -> StyledStr {
    let intro = "lab, netstack and driver end with one of these statuses. Errors and warnings are on standard error, \
                 one line each.";
    let mut statuses = Status::BY_PRECEDENCE;
    statuses.sort_by_key(|status| *status as u8);
    let rows = statuses.map(|status| [(status as u8).to_string(), status.meaning().to_owned()]);
    let precedence = Status::BY_PRECEDENCE.iter().rev().map(|status| (*status as u8).to_string());
    let precedence = precedence.collect::<Vec<_>>().join(", ");
    let wins = format!("If several apply, the first of {precedence} wins.");
    Text::new(intro).under("Statuses", &columns(rows)).under("Precedence", &indented(&wins)).0
}
