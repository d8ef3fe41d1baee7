//! `lastgood config`: check, schema, show.

use crate::{
    command::ConfigCommand,
    output::{Form, progress, say, say_json},
};
use lastgood_core::{
    clock::{Clock, SystemClock},
    config::{Config, remarks},
    error::Result,
    function::Exit,
    host::{self, Fleets, World, holder},
};

/// Checks, describes or shows the config.
pub async fn configure(command: ConfigCommand, config: &str, form: Form) -> Result<Exit> {
    match command {
        ConfigCommand::Schema => say_json(&Config::schema())?,
        ConfigCommand::Show => {
            let config = seen(config).await?;
            match form {
                Form::Programs => say_json(&config)?,
                Form::People => say(config.show()?.trim_end())?,
            }
        }
        ConfigCommand::Check => {
            let name = config;
            let config = read(name).await?;
            let remarks = remarks(&config, SystemClock.now());
            match form {
                Form::Programs => say_json(&remarks)?,
                Form::People => {
                    for (asset, remark) in &remarks {
                        say(&format!("{asset}: {remark}"))?;
                    }
                    let many = |count: usize, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
                    say(&format!(
                        "{name} is valid: {}, {}",
                        many(config.assets.len() + config.fleets.len(), "asset"),
                        many(remarks.len(), "remark")
                    ))?;
                }
            }
        }
    }
    Ok(Exit::Good)
}

/// The config, with the members of its fleets where it has any.
async fn seen(name: &str) -> Result<Config> {
    let config = read(name).await?;
    if config.fleets.is_empty() {
        return Ok(config);
    }
    let world = World::open(name, None, holder(), None, progress::shown(), Fleets::Look).await?;
    Ok((*world.env().config).clone())
}

async fn read(config: &str) -> Result<Config> {
    Config::parse(&host::read_config(config).await?, config)
}
