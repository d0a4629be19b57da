//! `lab man`: manual pages, from the same definitions as `--help`.

use std::fs;
use std::path::{Path, PathBuf};

use clap::{Args, Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};
use driver::settings::Settings as DriverArgs;
use netstack::process::Args as StackArgs;
use shared::process::exit::Status;
use shared::process::help::{OUTPUT, arranged, examples, examples_of};
use shared::process::json::say;
use shared::units::did_you_mean;

use super::common::Failure;
use crate::report::file::OutFile;

/// What the bottom of each page says.
const SOURCE: &str = concat!("Pushback ", env!("CARGO_PKG_VERSION"));

/// The section of the manual that holds commands.
const SECTION: &str = "1";

#[derive(Debug, Args)]
#[command(after_help = examples([
    ("The page of a command, for man -l", "lab man lab-run > lab-run.1"),
    ("The page of the driver", "lab man driver > driver.1"),
    ("Every page, where man finds them with MANPATH=man", "lab man --out man/man1"),
]))]
pub(crate) struct ManArgs {
    /// The page to print, such as lab-run, netstack or driver. [default: lab]
    #[arg(value_name = "PAGE", conflicts_with = "out")]
    page: Option<String>,

    /// Write every page to this folder, which is made if it is missing.
    #[arg(long, help_heading = OUTPUT, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Prints a page, or writes all.
///
/// # Errors
/// If there is no such page, or the folder cannot be written.
pub(crate) fn main(args: &ManArgs, lab: Command) -> Result<Status, Failure> {
    let pages = pages(lab)?;
    if let Some(folder) = &args.out {
        write(&pages, folder)?;
        return Ok(Status::Fine);
    }
    let name = args.page.as_deref().unwrap_or("lab");
    match pages.iter().find(|(known, _)| known == name) {
        Some((_, roff)) => say(None, roff.trim_end()),
        None => return Err(unknown(name, &pages)),
    }
    Ok(Status::Fine)
}

fn unknown(name: &str, pages: &[(String, String)]) -> Failure {
    let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
    let meant = did_you_mean(name, names.iter().copied());
    Failure::NoPage { what: format!("{name} is no page{meant}; the pages are {}", names.join(", ")) }
}

fn write(pages: &[(String, String)], folder: &Path) -> Result<(), Failure> {
    fs::create_dir_all(folder).map_err(|source| Failure::OutFolder { folder: folder.to_owned(), source })?;
    for (name, roff) in pages {
        OutFile::open("out", &folder.join(format!("{name}.{SECTION}")))?.write(roff)?;
    }
    Ok(())
}

/// The name of each page and its text: those of `lab`, its commands, and both programs.
fn pages(lab: Command) -> Result<Vec<(String, String)>, Failure> {
    let mut pages = Vec::new();
    for program in [lab, StackArgs::command(), DriverArgs::command()] {
        let mut program = arranged(program, &[]);
        // Gives each command the names of those above it.
        program.build();
        add(&program, &mut pages)?;
    }
    Ok(pages)
}

fn add(command: &Command, pages: &mut Vec<(String, String)>) -> Result<(), Failure> {
    let name = command.get_display_name().unwrap_or(command.get_name()).to_owned();
    pages.push((name, page(command)?));
    // The lab has a command `help` of its own. The one that clap adds elsewhere says nothing more than --help.
    let own_help = command.is_disable_help_subcommand_set();
    let mut below =
        command.get_subcommands().filter(|below| !below.is_hide_set() && (own_help || below.get_name() != "help"));
    below.try_for_each(|below| add(below, pages))
}

fn page(command: &Command) -> Result<String, Failure> {
    let man = Man::new(command.clone()).section(SECTION).manual("Pushback").source(SOURCE);
    let mut bytes = Vec::new();
    man.render_title(&mut bytes)?;
    man.render_name_section(&mut bytes)?;
    man.render_synopsis_section(&mut bytes)?;
    man.render_description_section(&mut bytes)?;
    man.render_options_section(&mut bytes)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut bytes)?;
    }
    let examples = examples_of(command);
    if !examples.is_empty() {
        // The generator would fill the lines of the examples like those of a paragraph.
        let mut roff = Roff::new();
        roff.control("SH", ["EXAMPLES"]);
        for (what, line) in examples {
            roff.control("TP", []).text([roman(what)]).text([bold(line)]);
        }
        roff.to_writer(&mut bytes)?;
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::commands::Cli;

    #[test]
    fn every_command_has_a_page_with_its_flags_and_examples() {
        let pages = pages(Cli::command()).unwrap();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["lab", "lab-run", "lab-theory-mm1k", "lab-stress-kills", "lab-help", "netstack", "driver"] {
            assert!(names.contains(&name), "{name} is not in {names:?}");
        }
        assert!(!names.iter().any(|name| name.contains("peer") || name.ends_with("theory-help")), "{names:?}");
        let run = &pages[names.iter().position(|name| *name == "lab-run").unwrap()].1;
        for part in [".SH TRAFFIC", ".SH \"RARELY NEEDED\"", "\\-\\-hw\\-queue", "PUSHBACK_HW_QUEUE", ".SH EXAMPLES"] {
            assert!(run.contains(part), "{part} is not in {run}");
        }
    }
}
