//! `lastgood config`: check, schema, show.

use crate::{
    command::ConfigCommand,
    output::{Form, say, say_json},
};
use lastgood_core::{
    clock::{Clock, SystemClock},
    config::{Config, remarks},
    error::Result,
    function::Exit,
    host,
};

/// Checks, describes or shows the config.
pub async fn configure(command: ConfigCommand, config: &str, form: Form) -> Result<Exit> {
    match command {
        ConfigCommand::Schema => say_json(&Config::schema())?,
        ConfigCommand::Show => {
            let config = read(config).await?;
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
                    say(&format!("{name} is valid: {}, {}", many(config.assets.len(), "asset"), many(remarks.len(), "remark")))?;
                }
            }
        }
    }
    Ok(Exit::Good)
}

async fn read(config: &str) -> Result<Config> {
    Config::parse(&host::read_config(config).await?, config)
}
