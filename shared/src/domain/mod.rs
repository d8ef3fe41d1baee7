//! What Lastgood decides: pure, without I/O and without a clock. Every question takes what was seen and the present moment.

pub mod archive;
pub mod attest;
pub mod backup;
pub mod bytes;
pub mod change;
pub mod compare;
pub mod continuous;
pub mod damage;
pub mod drill;
pub mod due;
pub mod finding;
pub mod fleet;
pub mod forecast;
pub mod freshness;
pub mod held;
pub mod history;
pub mod measure;
pub mod place;
pub mod posture;
pub mod restore_test;
pub mod retention;
pub mod run;
pub mod span;
pub mod tell;
pub mod wal;
