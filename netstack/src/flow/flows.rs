//! The accounts of all apps.

use std::cell::RefCell;
use std::rc::Rc;

use super::Flow;

/// All accounts of a run, by flow number.
#[derive(Debug, Default)]
pub struct Flows(RefCell<Vec<Rc<Flow>>>);

impl Flows {
    /// Adds an account. Flows are numbered in the order in which they are added.
    pub fn add(&self, flow: Rc<Flow>) {
        self.0.borrow_mut().push(flow);
    }

    /// The account of flow `id`, which must have been added.
    pub fn get(&self, id: u32) -> Rc<Flow> {
        Rc::clone(&self.0.borrow()[id as usize])
    }

    /// Calls `act` with the account of flow `id`, which must have been added. Unlike [`Flows::get`] it does not count a
    /// reference.
    #[inline(always)]
    pub fn with<T>(&self, id: u32, act: impl FnOnce(&Flow) -> T) -> T {
        act(&self.0.borrow()[id as usize])
    }

    /// Whether a task waits for the next packet of any of them to settle.
    pub fn are_awaited(&self) -> bool {
        self.0.borrow().iter().any(|flow| flow.is_awaited())
    }

    /// All accounts, in order.
    pub fn all(&self) -> Vec<Rc<Flow>> {
        self.0.borrow().clone()
    }
}
