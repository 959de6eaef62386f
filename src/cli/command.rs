//! The command line as a whole. The doc comments here are the help texts.

use clap::{Parser, Subcommand};

use crate::cli::args::{FileArgs, VerbosityArgs};
use crate::cli::verbs::ask::AskArgs;
use crate::cli::verbs::bench::args::BenchArgs;
use crate::cli::verbs::completions::args::CompletionsArgs;
use crate::cli::verbs::config::args::ConfigArgs;
use crate::cli::verbs::invite::InviteArgs;
use crate::cli::verbs::join::{JoinArgs, LeaveArgs};
use crate::cli::verbs::later::LaterArgs;
use crate::cli::verbs::listen::args::ListenArgs;
use crate::cli::verbs::send::args::SendArgs;
use crate::cli::verbs::sendmail::args::SendmailArgs;
use crate::cli::verbs::serve::run::ServeArgs;
use crate::cli::verbs::spool::run::SpoolArgs;

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
    pub(crate) verb: Verb,
    #[command(flatten)]
    pub(crate) verbosity: VerbosityArgs,
    #[command(flatten)]
    pub(crate) files: FileArgs,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    Serve(ServeArgs),
    Join(JoinArgs),
    Leave(LeaveArgs),
    Send(SendArgs),
    Ask(AskArgs),
    Later(LaterArgs),
    Listen(ListenArgs),
    Invite(InviteArgs),
    Spool(SpoolArgs),
    Sendmail(SendmailArgs),
    Config(ConfigArgs),
    Bench(BenchArgs),
    Completions(CompletionsArgs),
}
