//! Who held the slots of the ring while an app waited for room.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::human;

/// For each app that waited for room, who held the ring's slots meanwhile.
///
/// While an app waits, each slot is charged to the app that holds it (the waiting app included), to `stack` if it holds a
/// frame of the stack's own, or to `free`: such a slot is free, but the wake point is not reached, or senders ahead in the queue have a right to it. So each row adds
/// up to the depth times the app's blocked time, exactly. A slot is free from the time at which the hardware completed its
/// frame, also if the stack has not noticed it yet.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BlameReport {
    /// The slots of the ring.
    pub depth: u32,
    /// The apps of the columns, and of the rows in the same order: those with the most slot-time as holders and as
    /// waiters together.
    pub apps: Vec<String>,
    /// How many further apps there are; they have one column and one row, which come last.
    pub others: u64,
    /// A row for each of `apps`, and one for the others if there are any.
    pub rows: Vec<BlameRow>,
}

/// The slots of the ring while one app (or each of the others) waited for room, in slot-nanoseconds.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
pub struct BlameRow {
    /// How long it waited for room.
    pub blocked_ns: u128,
    /// What each app held meanwhile: a column for each of [`BlameReport::apps`], and one for the others if there are
    /// any.
    pub held_ns: Vec<u128>,
    /// What the stack's own frames held meanwhile: answers, and requests for neighbours. Zero in old reports.
    #[serde(default)]
    pub stack_ns: u128,
    /// Free slots meanwhile.
    pub free_ns: u128,
    /// For how much of `blocked_ns` the hardware was stalled, in plain nanoseconds; null if it never stalls, or
    /// if the driver did not state when.
    pub stalled_ns: Option<u128>,
}

impl BlameRow {
    /// All slot-time of the row, by column; that of the stack's own frames if `with_stack`.
    pub fn columns(&self, with_stack: bool) -> impl Iterator<Item = u128> {
        self.held_ns.iter().copied().chain(with_stack.then_some(self.stack_ns)).chain([self.free_ns])
    }
}

/// How many apps have a row and a column of their own.
const MOST_BLAMED: usize = 8;

impl BlameReport {
    /// Whether any slot was held by the stack's own frames.
    pub fn has_stack(&self) -> bool {
        self.rows.iter().any(|row| row.stack_ns > 0)
    }

    /// The name of the column and the row of the others, if there are any.
    pub fn name_of_others(&self) -> Option<String> {
        (self.others > 0).then(|| human::counted(self.others, "other"))
    }

    /// The table of `depth` slots for apps in the order of `names`, which had the `rows`, each with a column for each
    /// app. Keeps the eight apps with the most slot-time and adds up the others.
    pub fn of(depth: u32, names: &[String], rows: Vec<BlameRow>) -> Self {
        let mut weights: Vec<(usize, u128)> = (0..names.len())
            .map(|app| {
                let held: u128 = rows.iter().filter_map(|row| row.held_ns.get(app)).sum();
                (app, held.saturating_add(rows[app].blocked_ns.saturating_mul(depth.into())))
            })
            .collect();
        // Stable, so that of equal apps the first are kept.
        weights.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
        let mut kept: Vec<usize> = weights.iter().take(MOST_BLAMED).map(|(app, _)| *app).collect();
        kept.sort_unstable();
        let mut place = vec![kept.len(); names.len()];
        kept.iter().enumerate().for_each(|(at, app)| place[*app] = at);
        let others = names.len() - kept.len();
        let width = kept.len() + usize::from(others > 0);
        let mut merged = vec![BlameRow { held_ns: vec![0; width], ..BlameRow::default() }; width];
        for (row, &at) in rows.iter().zip(&place) {
            let into = &mut merged[at];
            into.blocked_ns += row.blocked_ns;
            into.stack_ns += row.stack_ns;
            into.free_ns += row.free_ns;
            into.stalled_ns = row.stalled_ns.map(|stalled| into.stalled_ns.unwrap_or(0) + stalled);
            row.held_ns.iter().zip(&place).for_each(|(held, column)| into.held_ns[*column] += held);
        }
        let apps = kept.iter().map(|app| names[*app].clone()).collect();
        Self { depth, apps, others: others as u64, rows: merged }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(blocked_ns: u128, held_ns: Vec<u128>, depth: u128) -> BlameRow {
        let free_ns = depth * blocked_ns - held_ns.iter().sum::<u128>();
        BlameRow { blocked_ns, held_ns, stack_ns: 0, free_ns, stalled_ns: Some(blocked_ns / 2) }
    }

    #[test]
    fn few_apps_keep_their_rows_and_columns() {
        let rows = vec![row(10, vec![15, 5], 2), row(0, vec![0, 0], 2)];
        let blame = BlameReport::of(2, &["a".to_owned(), "b".to_owned()], rows.clone());
        assert_eq!((blame.others, blame.rows), (0, rows));
    }

    #[test]
    fn beyond_eight_apps_the_rest_are_added_up_and_every_row_still_fills_the_ring() {
        let apps = 12;
        let names: Vec<_> = (0..apps).map(|app| format!("app{app}")).collect();
        // Later apps wait longer, and hold more.
        let rows = (0..apps as u128).map(|app| row(app * 100, (0..apps as u128).map(|held| app * held).collect(), 64));
        let blame = BlameReport::of(64, &names, rows.collect());
        assert_eq!(blame.apps, &names[4..]);
        assert_eq!((blame.others, blame.rows.len()), (4, 9));
        for row in &blame.rows {
            assert_eq!(row.held_ns.iter().sum::<u128>() + row.free_ns, 64 * row.blocked_ns);
        }
        assert_eq!(blame.rows.iter().map(|row| row.blocked_ns).sum::<u128>(), 6600);
        assert_eq!(blame.rows[8].stalled_ns, Some(300));
    }
}
