//! `lab help policy`: from the table of policies.

use clap::builder::StyledStr;
use netstack::device::Policy;

use super::{Text, columns, indented};

pub(super) fn text() -> StyledStr {
    let intro = "--policy says what happens to a packet that finds no free slot in the ring. lab compare runs the same \
                 traffic under every policy.";
    let text = Policy::ALL.iter().fold(Text::new(intro), |text, policy| {
        let [does, loses, delays] = policy.meaning();
        let wake = format!("{} (--wake)", policy.default_wake());
        let rows = [("does", does), ("loses", loses), ("delays", delays), ("wakes at", &wake)];
        text.under(&policy.to_string(), &columns(rows.map(|(what, is)| [what.to_owned(), is.to_owned()])))
    });
    let wake = "Once a sender has found no free slot, those that wait are served when --wake slots are free. each (one \
                slot) keeps the ring full and may wake the stack for every packet; half wakes it once for half a ring.";
    text.under("Wake point", &indented(wake)).0
}
