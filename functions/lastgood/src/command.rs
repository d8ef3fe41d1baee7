//! What an operator may type.

use clap::{Args, Parser, Subcommand};
use lastgood_core::{
    clock::Timestamp,
    id::{AssetName, BackupId},
};
use std::path::PathBuf;

/// Keeps Postgres, and everything beside it, restorable — and proves it.
#[derive(Debug, Parser)]
#[command(name = "lastgood", version, max_term_width = 100, arg_required_else_help = true)]
#[command(after_help = "Exit codes: 0 good · 1 failed · 2 too old or missing · 3 could not verify · 64 usage")]
pub struct Cli {
    /// The config: a path or a vault URL.
    #[arg(long, global = true, env = "LASTGOOD_CONFIG", default_value = "lastgood.yaml", value_name = "FILE")]
    pub config: String,
    /// Prints results as JSON, for programs.
    #[arg(long, global = true)]
    pub json: bool,
    /// Shows more on stderr: -v decisions, -vv details.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    pub verbose: u8,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Shows the whole loop on this machine: throwaway Postgres, local vault, backup, copy, check, drill.
    Demo(Demo),
    /// Asks whether we can reach, read, write, decrypt and restore everything that the config names.
    Doctor(Doctor),
    /// Shows one line per asset: newest backup, age, copies, last proven, state; or one asset in full.
    Status(Status),
    /// Lists the backups of an asset, newest first.
    List {
        /// The asset.
        asset: AssetName,
    },
    /// Takes snapshots (of Postgres: base backups) that are due, or of one asset now.
    Snapshot(Wake),
    /// Exports what is due into the vault, or one asset now.
    Export(Wake),
    /// Copies every backup to each place that its policy names.
    Copy(Wake),
    /// Compares what is really there with the policy and tells what is wrong.
    Check(Wake),
    /// Restores a backup into a throwaway replica, checks it and tears it down: what is due, or one asset now.
    Drill(Drill),
    /// Reads back every byte of the backups and compares it with their manifests.
    Verify(Verify),
    /// Shows what retention would let go; with --apply lets it go.
    Prune(Prune),
    /// Restores a backup for real, beside what is there: the plan by default, with --apply the deed.
    Restore(restore::Restore),
    /// Says that somebody knows of a finding: nobody is reminded of it until it gets worse, ends, or the time is up.
    Ack(Ack),
    /// Prints a report of everything, for people or as a page, or sends it.
    Report(Report),
    /// Lists, verifies and hands out the signed evidence of drills, and makes the keys that sign it.
    #[command(subcommand)]
    Evidence(EvidenceCommand),
    /// Plays months of this config in seconds, with faults, in memory: which alerts would have come, and what would be lost.
    #[command(after_help = crate::simulate::HELP)]
    Simulate(Simulate),
    /// Checks, shows or describes the config.
    #[command(subcommand)]
    Config(ConfigCommand),
}

/// A function by hand.
#[derive(Debug, Default, Args)]
pub struct Wake {
    /// One asset, now; without it, whatever is due.
    pub asset: Option<AssetName>,
    /// Runs a recorded trigger: a file as in events/.
    #[arg(long, value_name = "FILE", conflicts_with = "asset")]
    pub event: Option<PathBuf>,
    /// Says that a schedule such as cron runs this: only what is due is done, and from now on its silence is a finding.
    #[arg(long, conflicts_with = "event")]
    pub scheduled: bool,
}

/// How everything stands.
#[derive(Debug, Default, Args)]
pub struct Status {
    /// One asset, told in full; without it, all in a table.
    pub asset: Option<AssetName>,
    /// At a moment that is past, as far as records tell: RFC 3339, such as 2026-11-20T02:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = crate::past::moment)]
    pub at: Option<Timestamp>,
}

/// A drill by hand.
#[derive(Debug, Default, Args)]
pub struct Drill {
    /// What wakes it.
    #[command(flatten)]
    pub wake: Wake,
    /// A certain backup instead of the newest.
    #[arg(long, value_name = "ID", requires = "asset")]
    pub backup: Option<BackupId>,
    /// The place whose copy is restored, instead of the policy's.
    #[arg(long, value_name = "VAULT", requires = "asset")]
    pub from: Option<lastgood_core::domain::place::Place>,
}

/// Reading back.
#[derive(Debug, Default, Args)]
pub struct Verify {
    /// One asset; without it, all.
    pub asset: Option<AssetName>,
    /// Fails with exit code 2 if the newest backup's data is older than this.
    #[arg(long, value_name = "N")]
    pub max_age_hours: Option<u32>,
    /// Also restores the newest backup into a throwaway replica.
    #[arg(long)]
    pub test_restore: bool,
    /// Reads every backup, not only the newest of each form.
    #[arg(long)]
    pub all: bool,
}

/// Letting go.
#[derive(Debug, Args)]
pub struct Prune {
    /// One asset; without it, all.
    pub asset: Option<AssetName>,
    /// Does what the plan says.
    #[arg(long)]
    pub apply: bool,
    /// Applies this very plan although it is over the cap: the hash that the plan shows.
    #[arg(long, value_name = "HASH", requires = "apply", requires = "asset")]
    pub plan: Option<String>,
}

/// Reporting.
#[derive(Debug, Args)]
pub struct Report {
    /// Writes a page to this file instead.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Sends it to the e-mail channels of the config, with the page beside it.
    #[arg(long, conflicts_with = "html")]
    pub email: bool,
}

/// Asking whether everything can be reached.
#[derive(Debug, Args)]
pub struct Doctor {
    /// Also sends a message to every channel; it wakes nobody.
    #[arg(long)]
    pub tell: bool,
}

/// Acknowledging.
#[derive(Debug, Args)]
pub struct Ack {
    /// The asset; `-` for a finding that is about none in particular.
    #[arg(allow_hyphen_values = true)]
    pub asset: String,
    /// The kind of finding, such as backup-stale.
    pub kind: String,
    /// For how long, at most: 3d.
    #[arg(long = "for", value_name = "TIME")]
    pub span: lastgood_core::domain::span::Span,
    /// What is being done, or why nothing is.
    #[arg(long, value_name = "TEXT")]
    pub why: String,
    /// Who knows; the account's name when not given.
    #[arg(long, value_name = "NAME", env = "USER", default_value = "somebody")]
    pub by: String,
}

/// The demo.
#[derive(Debug, Args)]
pub struct Demo {
    /// The folder to work in; it must be new, empty, or a former demo's.
    #[arg(long, value_name = "FOLDER", default_value = "lastgood-demo")]
    pub folder: PathBuf,
    /// How much data the throwaway source gets, in megabytes.
    #[arg(long, value_name = "N", default_value_t = 300)]
    pub megabytes: u32,
}

/// The config.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Reads the config and remarks on what a careful reader would ask about.
    Check,
    /// Prints the JSON Schema of the config, for editors.
    Schema,
    /// Prints the effective config, with every default applied and secrets masked.
    Show,
}

/// Evidence.
#[derive(Debug, Subcommand)]
pub enum EvidenceCommand {
    /// Lists the evidence of drills, newest first, with the links that sign it.
    List {
        /// One asset; without it, all.
        asset: Option<AssetName>,
    },
    /// Checks every signature, the chain, and that each record is what was signed: 1 if not, 3 if it cannot be told.
    Verify(VerifyEvidence),
    /// Writes an asset's evidence to a folder that can be checked without us, or its statements to one file.
    Export(ExportEvidence),
    /// Makes a key pair (Ed25519, PEM): the private half in FILE, the public one in FILE.pub.
    Keygen {
        /// Where the private key goes; it must not be there yet.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
}

/// Checking evidence.
#[derive(Debug, Args)]
pub struct VerifyEvidence {
    /// One asset; without it, all.
    pub asset: Option<AssetName>,
    /// Believes this public key (PEM), and no other, instead of the config's; may be given more than once.
    #[arg(long, value_name = "FILE")]
    pub key: Vec<PathBuf>,
    /// The SHA-256 of a link that was remembered elsewhere: the chain must still hold it.
    #[arg(long, value_name = "HASH", requires = "asset")]
    pub head: Option<String>,
    /// Checks a folder that `evidence export` wrote: no config is read and nothing else is opened.
    #[arg(long, value_name = "FOLDER", requires = "key")]
    pub from: Option<PathBuf>,
}

/// Handing out evidence.
#[derive(Debug, Args)]
pub struct ExportEvidence {
    /// The asset.
    pub asset: AssetName,
    /// The folder, new or empty; with --in-toto, the file.
    #[arg(long, value_name = "PATH")]
    pub to: PathBuf,
    /// Writes the in-toto statements in their DSSE envelopes, one to a line.
    #[arg(long)]
    pub in_toto: bool,
}

/// A simulation.
#[derive(Debug, Args)]
pub struct Simulate {
    /// How many days are played.
    #[arg(long, default_value_t = 90, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=3_660))]
    pub days: u32,
    /// A fault, NAME[=ASSET]@12d[..20d]; may be given more than once.
    #[arg(long, value_name = "FAULT")]
    pub fault: Vec<crate::simulate::Fault>,
    /// What chance does: the same seed tells the same story.
    #[arg(long, default_value_t = 1, value_name = "N")]
    pub seed: u64,
}
