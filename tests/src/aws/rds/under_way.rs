//! What is under way shows one state per look, until it is what it will be.

use std::collections::VecDeque;

/// What something is, once nothing is under way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// It is there.
    Available,
    /// It never will be.
    Failed,
    /// It is gone.
    Gone,
}

/// The states that something still shows, and what it is in the end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnderWay {
    states: VecDeque<&'static str>,
    /// What it is in the end.
    pub end: End,
}

impl UnderWay {
    /// Shows one state for so many looks.
    pub fn new(state: &'static str, looks: usize, end: End) -> Self {
        Self { states: std::iter::repeat_n(state, looks).collect(), end }
    }

    /// Shows these states next, after what it shows already.
    pub fn shows(&mut self, states: &[&'static str]) {
        self.states.extend(states);
    }

    /// The state that it shows now.
    pub fn state(&self) -> &'static str {
        self.states.front().copied().unwrap_or(match self.end {
            End::Available => "available",
            End::Failed => "failed",
            End::Gone => "deleting",
        })
    }

    /// Whether it has come to its end.
    pub fn over(&self) -> bool {
        self.states.is_empty()
    }

    /// Whether it is gone.
    pub fn gone(&self) -> bool {
        self.over() && self.end == End::Gone
    }

    /// Somebody has looked. Returns whether that was the last look before the end.
    pub fn look(&mut self) -> bool {
        self.states.pop_front().is_some() && self.states.is_empty()
    }
}
