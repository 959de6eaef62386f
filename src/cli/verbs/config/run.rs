//! `qmsg config`.

use std::path::Path;

use anyhow::Result;

use crate::cli::config::settings::{Config, paths};
use crate::cli::verbs::config::args::{ConfigArgs, ConfigVerb};
use crate::cli::verbs::config::show;
use crate::failure::Exit;
use crate::terminal::print;

pub(crate) fn run(args: &ConfigArgs, given: Option<&Path>, config: &Config) -> Result<Exit> {
    match args.what {
        ConfigVerb::Show { all, json } => show::run(config, all, json)?,
        ConfigVerb::Path => {
            for path in paths(given) {
                print::line(&path.display().to_string())?;
            }
        }
    }
    Ok(Exit::Success)
}
