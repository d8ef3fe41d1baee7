//! `lastgood simulate`: the team's own policy, the real functions, a world in memory and a virtual clock. Months in seconds, so
//! that a policy fails here before it fails for real.
//!
//! It opens nothing that the config names: no vault, no database, no secret, no channel. Only the config file itself is read.

mod bucket;
mod cast;
mod chronicle;
mod fault;
mod luck;
mod providers;
mod replicas;
mod tell;
mod wakes;
mod weather;

pub use fault::{Fault, HELP};

use crate::{
    command::Simulate,
    output::{Form, remark, say, say_json},
};
use cast::Cast;
use chronicle::Story;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use lastgood_core::{
    config::Config,
    error::{During, Error, Result, failed, invalid},
    function::Exit,
};
use std::{io::Read, path::Path};

/// The config that is played where there is none.
const EXAMPLE: &str = include_str!("example.yaml");
/// The most bytes that a config may have.
const LIMIT: u64 = 4 << 20;

/// Plays it, and tells what came of it: exit code 2 where a fault was never noticed.
pub async fn simulate(ask: Simulate, config: &str, form: Form) -> Result<Exit> {
    let text = read(config)?;
    let cast = Cast::of(Config::parse(&text, config)?, &ask.fault)?;
    // A thread of its own runs it from end to end, so that nothing but the seed decides what comes first.
    let played = std::thread::spawn(move || play(&cast, &ask));
    let story = loop {
        if played.is_finished() {
            break played.join().map_err(|_| failed("the simulation broke off"))??;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    match form {
        Form::Programs => say_json(&story)?,
        Form::People => say(&tell::people(&story))?,
    }
    Ok(story.exit())
}

fn play(cast: &Cast, ask: &Simulate) -> Result<Story> {
    // What the functions log of a made-up world is no news.
    let _silence = tracing::subscriber::set_default(tracing::subscriber::NoSubscriber::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(|error| failed("no thread for the simulation").because(error))?;
    let bar = ProgressBar::with_draw_target(Some(u64::from(ask.days)), ProgressDrawTarget::stderr());
    if let Ok(style) = ProgressStyle::with_template("day {pos}/{len} {bar:28} {elapsed}") {
        bar.set_style(style.progress_chars("━╸ "));
    }
    let story = runtime.block_on(wakes::play(cast, ask.days, ask.seed, |day| bar.set_position(day)));
    bar.finish_and_clear();
    story
}

/// The config's text, from a file of this machine only.
fn read(config: &str) -> Result<String> {
    if config.contains("://") {
        return Err(invalid(format!("{config} is not on this machine, and a simulation opens nothing else"))
            .hint("fetch the file, and name it with --config"));
    }
    let path = Path::new(config);
    if config == "lastgood.yaml" && !path.exists() {
        remark("there is no lastgood.yaml here: an example is played; name yours with --config");
        return Ok(EXAMPLE.to_owned());
    }
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(Error::from).during(format!("reading {config}"))?;
    file.take(LIMIT).read_to_string(&mut text).map_err(Error::from).during(format!("reading {config}"))?;
    Ok(text)
}
