//! Parsing of a command line, completed by the configuration files.

use std::ffi::OsString;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, CommandFactory, FromArgMatches};

use crate::cli::command::{Cli, Verb};
use crate::cli::config::settings::{Config, load};
use crate::cli::config::{apply, empty};
use crate::cli::parse::{quick, words};
use crate::cli::text::{help, usage};
use crate::cli::verbs::config::args::{ConfigArgs, ConfigVerb};
use crate::failure::Exit;
use crate::terminal::{notices, print};

/// Parses a command line; the configuration files give the defaults. On `Err` the help, the version
/// or the error has been printed.
pub(crate) fn parse(args: &[OsString]) -> Result<(Cli, Config), Exit> {
    let report = |error: clap::Error| match error.kind() {
        ErrorKind::DisplayHelp
        | ErrorKind::DisplayVersion
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let whole = help::shown(quick::command(args), args);
            let shown = whole.try_get_matches_from(args).err().unwrap_or(error);
            let color = help::color(args);
            let text = shown.render();
            let (plain, styled) = (text.to_string(), text.ansi().to_string());
            if shown.use_stderr() {
                notices::usage(&plain, &styled, color);
                return Exit::Usage;
            }
            print::help(&plain, &styled, color)
                .map_or_else(|error| notices::tell(&error), |()| Exit::Success)
        }
        _ => notices::tell(&usage::failure(&error, args).into()),
    };
    let read =
        |args: &[OsString]| empty::passed_over(quick::command(args)).try_get_matches_from(args);
    let (args, plain) = match read(args) {
        Ok(plain) => (args.to_vec(), plain),
        Err(error) => {
            let again = words::as_text(args, &error);
            let again = again.and_then(|args| read(&args).ok().map(|plain| (args, plain)));
            again.ok_or_else(|| report(error))?
        }
    };
    words::check(&args, &plain, || quick::command(&args))
        .map_err(|failure| notices::tell(&failure.into()))?;
    let cli = Cli::from_arg_matches(&plain).map_err(report)?;
    // `config path` has to work even if a file is broken.
    if matches!(cli.verb, Verb::Config(ConfigArgs { what: ConfigVerb::Path })) {
        return Ok((cli, Config::default()));
    }
    let mut config = load(cli.files.config.as_deref(), &Cli::command())
        .map_err(|error| notices::tell(&error))?;
    if matches!(cli.verb, Verb::Config(_)) {
        config.set_flags(flags(&plain));
    }
    if config.is_empty() {
        return Ok((cli, config));
    }
    let command = apply::defaults(config.settings(), Cli::command(), &plain);
    let command = empty::passed_over(command.map_err(|error| notices::tell(&error))?);
    let matches = command.try_get_matches_from(args);
    let cli = matches.and_then(|matches| Cli::from_arg_matches(&matches)).map_err(report)?;
    Ok((cli, config))
}

/// Lists the global flags that the command line gives, with their values.
fn flags(matches: &ArgMatches) -> Vec<(String, Vec<String>)> {
    let command = Cli::command();
    let ids = command.get_arguments().map(|arg| arg.get_id().as_str());
    let is_given = |id: &&str| matches.value_source(id) == Some(ValueSource::CommandLine);
    let values = |id: &str| {
        let raw = matches.try_get_raw(id).ok().flatten().into_iter().flatten();
        let raw: Vec<String> = raw.map(|value| value.to_string_lossy().into()).collect();
        // A switch has no value; a counter has the number of times it was given.
        let count = matches.try_get_one::<u8>(id).ok().flatten().map(u8::to_string);
        count.map_or(if raw.is_empty() { vec!["true".into()] } else { raw }, |n| vec![n])
    };
    ids.filter(is_given).map(|id| (id.to_owned(), values(id))).collect()
}
