//! What does a call through five levels cost, and what does each way cost that lets it wait?
//!
//! A level does a little work on the way down and a little on the way up, each with a constant of
//! its own. The same chain is built in every [`Arm`](arms::Arm), from plain generic functions to
//! futures in boxes, and ends in one of three [`Leaf`](leaf::Leaf)s. Every arm must compute the same.

pub mod arms;
pub mod leaf;
pub mod measure;
pub mod report;
pub mod ring;
mod table;
pub mod work;
