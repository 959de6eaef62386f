//! People: arguments, printing, errors, exit codes. The doc comments here are the help texts.

mod address;
mod ask;
mod before;
mod bench;
mod clean;
mod clock;
mod completions;
mod config;
mod connect;
mod content;
mod data;
mod disk;
mod excerpt;
mod fail;
mod fold;
#[cfg(any(test, fuzzing))]
pub mod fuzz;
mod headers;
mod help;
mod host;
mod ids;
mod init;
mod input;
mod invite;
mod job;
mod join;
mod json;
mod kept;
mod known;
mod later;
mod listen;
mod mail;
mod notices;
mod people;
mod print;
mod profile;
mod progress;
mod quick;
mod refusals;
mod render;
mod send;
mod sendmail;
mod serve;
mod signals;
mod spool;
mod streams;
mod table;
mod tips;
mod units;
mod upkeep;
mod usage;
mod when;
mod words;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args, Parser, Subcommand};

pub use address::{Server, Ticket};
pub use completions::{Shell, completion_script};
pub use fail::Exit;
pub use print::mark_closed_stdout;

/// The heading of the flags that every verb has.
const GLOBAL: &str = "Global options";

/// Messages between named users, over QUIC
///
/// `qmsg serve` runs the server. `qmsg join alice` claims a unique id on it; from then on the id
/// belongs to a key on this machine. `qmsg send bob` sends stdin to a user, a room (@ops) or
/// everyone (@all). It exits 0 once the message is on the server's disk. `qmsg listen` prints the
/// messages that are waiting, then new ones as they arrive.
#[derive(Debug, Parser)]
#[command(name = "qmsg", version, max_term_width = 100)]
#[command(after_long_help = "\
A first message, on one machine:
  qmsg serve &
  qmsg join alice && qmsg join bob
  echo hello | qmsg send bob --as alice
  qmsg listen --as bob --count 1

Exit codes, files and variables: qmsg(1). The protocol: qmsg(7).")]
pub struct Cli {
    #[command(subcommand)]
    verb: Verb,
    #[command(flatten)]
    talk: Talk,
    #[command(flatten)]
    files: Files,
}

#[derive(Debug, Subcommand)]
enum Verb {
    Serve(serve::ServeArgs),
    Join(join::JoinArgs),
    Leave(join::LeaveArgs),
    Send(send::SendArgs),
    Ask(ask::AskArgs),
    Later(later::LaterArgs),
    Listen(listen::ListenArgs),
    Invite(invite::InviteArgs),
    Spool(spool::SpoolArgs),
    Sendmail(sendmail::SendmailArgs),
    Config(config::ConfigArgs),
    Bench(bench::BenchArgs),
    Completions(completions::CompletionsArgs),
}

/// How much is said on stderr, and how.
#[derive(Clone, Copy, Debug, Args)]
#[command(next_help_heading = GLOBAL)]
struct Talk {
    /// Print only errors
    #[arg(
        short,
        long,
        global = true,
        display_order = 900,
        env = "QMSG_QUIET",
        value_parser = FalseyValueParser::new(),
        conflicts_with = "verbose"
    )]
    quiet: bool,
    /// Print more on stderr (repeat for more)
    #[arg(short, long, global = true, display_order = 901, action = clap::ArgAction::Count)]
    verbose: u8,
    /// When to use colours
    #[arg(
        long,
        global = true,
        display_order = 902,
        value_name = "WHEN",
        env = "QMSG_COLOR",
        default_value = "auto"
    )]
    color: print::Color,
}

/// What is read besides the command line.
#[derive(Debug, Args)]
#[command(next_help_heading = GLOBAL)]
struct Files {
    /// Read this configuration file and no other
    ///
    /// Without it: $XDG_CONFIG_HOME/qmsg/config.toml or ~/.config/qmsg/config.toml, then
    /// /etc/qmsg/config.toml.
    #[arg(long, global = true, display_order = 903, value_name = "FILE", env = "QMSG_CONFIG")]
    config: Option<PathBuf>,
}

/// Who talks to whom.
#[derive(Clone, Debug, Args)]
struct Who {
    /// Act as this id
    ///
    /// The id must have been joined on this machine. Default: the one that was joined first.
    #[arg(long = "as", value_name = "ID", env = "QMSG_AS", value_parser = units::user_arg())]
    as_id: Option<crate::wire::UserId>,
    /// The server to talk to
    ///
    /// Default: the server where the id was joined; for a first join, localhost:4433. Its key must
    /// be the one that was pinned when joining, whatever address it has now.
    #[arg(short, long, value_name = "HOST[:PORT]", env = "QMSG_SERVER")]
    server: Option<Server>,
}

/// How long to wait.
#[derive(Clone, Copy, Debug, Args)]
struct Patience {
    /// Give up after this long without an answer (retries until then)
    ///
    /// Written like 500ms, 10s, 5m or 1h30m; a bare number is seconds. After a timeout the server
    /// may still have received the request; since this is not known, the exit code is not 0.
    #[arg(
        long,
        value_name = "TIME",
        env = "QMSG_TIMEOUT",
        default_value = "10s",
        value_parser = units::duration
    )]
    timeout: Duration,
}

impl Patience {
    fn ms(self) -> Option<u64> {
        Some(self.timeout.as_millis() as u64)
    }
}

/// Runs a command line, which begins with the program's name: the exit code. The error, if there is
/// one, has been told.
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let args: Vec<OsString> = args.into_iter().collect();
    if let Some(exit) = completions::answer(&args) {
        return exit.code();
    }
    let code = init::run(&args).unwrap_or_else(|| run_verb(sendmail::as_called(args)));
    fail::finish();
    code
}

fn run_verb(args: Vec<OsString>) -> u8 {
    let args = before::moved(args);
    let (cli, config) = match config::parse(&args) {
        Ok(parsed) => parsed,
        Err(exit) => return exit.code(),
    };
    fail::listen_to_diagnostics(cli.talk);
    let said = match &cli.verb {
        Verb::Serve(args) => serve::run(args, cli.talk),
        Verb::Join(args) => join::join(args, cli.talk),
        Verb::Leave(args) => join::leave(args, cli.talk),
        // It may have the code of a command that it ran.
        Verb::Send(args) => {
            let code = send::run(args, cli.talk);
            return code.unwrap_or_else(|error| fail::tell_to(cli.talk, &error).code());
        }
        Verb::Ask(args) => ask::run(args, cli.talk),
        Verb::Later(args) => later::run(args, cli.talk),
        Verb::Listen(args) => listen::run(args, cli.talk),
        Verb::Invite(args) => invite::run(args),
        Verb::Spool(args) => spool::run(args, cli.talk),
        Verb::Sendmail(args) => sendmail::run(args, &config, cli.talk),
        Verb::Config(args) => config::run(args, &cli, &config),
        Verb::Bench(args) => bench::run(args, cli.talk),
        Verb::Completions(args) => completions::run(args),
    };
    said.unwrap_or_else(|error| fail::tell_to(cli.talk, &error)).code()
}
