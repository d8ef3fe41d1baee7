//! What the tests share: real servers started for a test and stopped with it, and lifelike data.

pub mod archive;
pub mod aws;
pub mod azurite;
pub mod bench;
pub mod browser;
pub mod deployed;
pub mod desk;
pub mod drawer;
pub mod drills;
pub mod engine;
pub mod fault_proxy;
pub mod gcp;
pub mod gcs;
pub mod google;
pub mod hosts;
pub mod house;
pub mod managed;
pub mod moto;
pub mod pegasus;
pub mod pg;
pub mod prometheus;
pub mod redis;
pub mod runtime_api;
pub mod s3;
pub mod terraform;
pub mod vaults;
