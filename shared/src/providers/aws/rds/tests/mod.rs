//! The adapter against recorded replies of RDS: what it asks for, what it makes of the answers, what it never does.

mod double;
mod moments;
mod replicas;
mod snapshots;
