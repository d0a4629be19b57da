//! The cost of a call through five levels, for each way to call that allows it to wait.
//!
//! A level does a little work on the way down and a little on the way up, each with a constant of its own. The same
//! chain is built for every [`Arm`](arms::Arm), from plain generic functions to boxed futures, and ends in one of three
//! [`Leaf`](leaf::Leaf)s. Every arm must compute the same result.

pub mod arms;
#[cfg(test)]
#[path = "../../../shared/src/testing/committed.rs"]
mod committed;
pub mod leaf;
pub mod measure;
pub mod report;
pub mod ring;
pub mod table;
pub mod work;
