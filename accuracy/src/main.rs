//! The command line: `cargo run --release -p accuracy -- --help`.

use std::collections::BTreeSet;
use std::num::NonZero;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use accuracy::arbiter;
use accuracy::format::{Bfloat16, Float16, Float32, Float64, Format};
use accuracy::formulas::{FORMULAS, Form};
use accuracy::points::{Source, around, hard_places};
use accuracy::run::{Checkpoints, Runner};
use accuracy::screen::Screen;
use accuracy::sweep::{self, Finding};
use accuracy::tables::{
    self, FORMATS, Measurement, Promise, complaint, home, looseness, promises_path, public_promise,
    read_promises, read_results, read_swept, record, record_swept, results_path, rows_complaints,
    swept_complaints, swept_path, write_promises,
};
use accuracy::trial::{Tally, Trial};
use actgrad::catalogue::{CATALOGUE, Row};
use actgrad::simd::Level;
use clap::{Args, Parser, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

/// Measures the error of every kernel of actgrad against references that are not its own.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// All 2^16 inputs in float16
    Float16(Exhaustive),
    /// All 2^16 inputs in bfloat16
    Bfloat16(Exhaustive),
    /// All 2^32 inputs in float32
    Float32(Exhaustive),
    /// A sample in float64: dense where it is hard, with a search that climbs from the worst points
    Float64(Sampled),
    /// Forms with parameters at sampled values of them, and gated units
    Parameters(Swept),
    /// A fixed slice of every format against promises.tsv, and the results on file: what tests run
    Slice(Options),
    /// Compare the results on file with promises.tsv
    Check {
        /// Rewrite promises.tsv to what the results call for, within the public promise
        #[arg(long)]
        tighten: bool,
    },
}

#[derive(Args)]
struct Exhaustive {
    /// Only one input of so many; the result is shown and not recorded
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u64).range(1..))]
    stride: u64,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Sampled {
    /// How many points to try for each form; the result of fewer than 10^8 is shown and not recorded
    #[arg(long, default_value_t = FULL_SAMPLE, value_parser = clap::value_parser!(u64).range(1..))]
    points: u64,
    #[command(flatten)]
    options: Options,
}

#[derive(Args)]
struct Swept {
    /// How many points to try for each form; the result of fewer than 10^6 is shown and not recorded
    #[arg(long, default_value_t = FULL_SWEEP, value_parser = clap::value_parser!(u64).range(1..))]
    points: u64,
    /// Only this activation or gated unit; may be given again
    #[arg(long = "function", value_name = "NAME")]
    functions: Vec<String>,
    /// Threads to use [default: all cores]
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// Record the results in this file, whatever they cover
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The commit to name in the results [default: the last one that changed the kernels]
    #[arg(long)]
    commit: Option<String>,
}

const FULL_SWEEP: u64 = 1_000_000;
const FULL_SAMPLE: u64 = 100_000_000;

#[derive(Args, Clone)]
struct Options {
    /// Only this activation; may be given again
    #[arg(long = "function", value_name = "NAME")]
    functions: Vec<String>,
    /// Only this form; may be given again
    #[arg(long = "form", value_name = "FORM")]
    forms: Vec<Form>,
    /// Threads to use [default: all cores]
    #[arg(long)]
    threads: Option<NonZero<usize>>,
    /// The instruction set whose kernels are tried [default: the best this CPU has]
    #[arg(long)]
    level: Option<Level>,
    /// Fail if an error is larger than promises.tsv allows
    #[arg(long)]
    check: bool,
    /// Show one line for each format
    #[arg(long)]
    quiet: bool,
    /// Record the results in this file, whatever they cover
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// The commit to name in the results [default: the last one that changed the kernels]
    #[arg(long)]
    commit: Option<String>,
}

fn main() -> ExitCode {
    let result = match Arguments::parse().command {
        Action::Float16(a) => exhaust::<Float16>(&a.options, a.stride, Purpose::Results),
        Action::Bfloat16(a) => exhaust::<Bfloat16>(&a.options, a.stride, Purpose::Results),
        Action::Float32(a) => exhaust::<Float32>(&a.options, a.stride, Purpose::Results),
        Action::Float64(a) => sample::<Float64>(&a.options, a.points, Purpose::Results),
        Action::Parameters(a) => sweep_all(&a),
        Action::Slice(options) => slice(options),
        Action::Check { tighten } => check(tighten),
    }
    .and_then(|complaints| report(&complaints));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("error: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the run is to be recorded, if it is full.
#[derive(Clone, Copy, PartialEq)]
enum Purpose {
    Results,
    Slice,
}

/// All of a format, or one input of so many and what is around the hard places.
fn exhaust<F: Format>(
    options: &Options,
    stride: u64,
    purpose: Purpose,
) -> Result<Vec<String>, String> {
    let source = Source::Patterns { stride, width: F::WIDTH };
    let is_full = stride == 1 && purpose == Purpose::Results;
    run_all::<F>(options, source.len(), is_full, |runner, trial| {
        let mut tally = runner.run(trial, &source)?;
        if stride > 1 {
            // A slice would miss the hard places.
            let runner = Runner { checkpoints: None, ..*runner };
            tally.merge(&runner.run(trial, &around::<F>(&hard_places(trial)?, 64))?);
        }
        Ok(tally)
    })
}

fn sample<F: Format>(
    options: &Options,
    points: u64,
    purpose: Purpose,
) -> Result<Vec<String>, String> {
    let is_full = points >= FULL_SAMPLE && purpose == Purpose::Results;
    run_all::<F>(options, points, is_full, |runner, trial| {
        let hard = hard_places(trial)?;
        let mut tally =
            Runner { checkpoints: None, ..*runner }.run(trial, &around::<F>(&hard, 64))?;
        let source = Source::Sample { points, domain: trial.formula.domain, hard };
        tally.merge(&runner.run_and_climb(trial, &source)?);
        Ok(tally)
    })
}

/// The same inputs every time, some seconds of work; then what is on file.
fn slice(mut options: Options) -> Result<Vec<String>, String> {
    const STRIDE: u64 = 1 << 17;
    const POINTS: u64 = 10_000;
    (options.check, options.quiet) = (true, true);
    let mut complaints = exhaust::<Float16>(&options, 1, Purpose::Slice)?;
    complaints.extend(exhaust::<Bfloat16>(&options, 1, Purpose::Slice)?);
    complaints.extend(exhaust::<Float32>(&options, STRIDE, Purpose::Slice)?);
    complaints.extend(sample::<Float64>(&options, POINTS, Purpose::Slice)?);
    complaints.extend(check(false)?);
    Ok(complaints)
}

/// The rows of the catalogue that were asked for, and every formula without a row as a note.
fn chosen_rows(names: &[String]) -> Result<Vec<&'static Row>, String> {
    if let Some(name) = names.iter().find(|name| CATALOGUE.iter().all(|row| row.name != **name)) {
        let known: Vec<_> = CATALOGUE.iter().map(|row| row.name).collect();
        return Err(format!(
            "there is no activation {name:?} in the catalogue; there are {}",
            known.join(", ")
        ));
    }
    if names.is_empty() {
        let without: Vec<_> = FORMULAS
            .iter()
            .map(|formula| formula.name)
            .filter(|name| CATALOGUE.iter().all(|row| row.name != *name))
            .collect();
        if !without.is_empty() {
            eprintln!("note: not in the catalogue, and skipped: {}", without.join(", "));
        }
    }
    Ok(CATALOGUE
        .iter()
        .filter(|row| names.is_empty() || names.iter().any(|name| name == row.name))
        .collect())
}

/// Runs `work` for every form that was asked for, shows what it finds, and records it. Results on
/// file are those judged by MPFR.
fn run_all<F: Format>(
    options: &Options,
    inputs: u64,
    is_full: bool,
    work: impl Fn(&Runner, &Trial<F>) -> Result<Tally, String>,
) -> Result<Vec<String>, String> {
    let rows = chosen_rows(&options.functions)?;
    let chosen = |form: &Form| options.forms.is_empty() || options.forms.contains(form);
    let forms: Vec<Form> = Form::ALL.into_iter().filter(chosen).collect();
    let level = options.level.unwrap_or_else(Level::best);
    let mut trials = Vec::new();
    for row in rows {
        for &form in &forms {
            trials.push(Trial::<F>::new(row, form, level)?);
        }
    }
    let commit = options.commit.clone().unwrap_or_else(kernels_commit);
    let program = last_commit(&["accuracy/src"]);
    let is_full = is_full && cfg!(feature = "mpfr");
    let output = options.output.clone().or_else(|| is_full.then(|| results_path(F::NAME)));
    if output.is_none() && !options.quiet {
        eprintln!("note: this is shown and not recorded; the judge is {}", arbiter::NAME);
    }
    let promises = if options.check { read_promises(&promises_path())? } else { Vec::new() };

    // The trials are the threads here: a call inside one takes one.
    actgrad::threads::set_limit(NonZero::<usize>::MIN);
    let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let progress = ProgressBar::new(inputs * trials.len() as u64).with_style(
        ProgressStyle::with_template(
            "{wide_bar} {percent:>3}% {human_pos} inputs, {per_sec}, {eta} left | {msg}",
        )
        .map_err(|error| error.to_string())?,
    );
    // Work on uncommitted code is not gone on with: it may have changed since.
    let is_named = |commit: &str| !commit.ends_with("-dirty") && commit != "unknown";
    let keeps = is_full && is_named(&commit) && is_named(&program);
    let runner = Runner {
        threads: options.threads.map_or_else(cores, NonZero::get),
        progress: &progress,
        checkpoints: keeps.then(|| Checkpoints {
            folder: home().join("results").join("partial"),
            code: format!("{commit} {program}"),
        }),
    };

    let mut complaints = Vec::new();
    let (mut total, mut worst) = (Tally::default(), (0.0, String::new()));
    for trial in &mut trials {
        let start = std::time::Instant::now();
        let mut tally = work(&runner, trial)?;
        if tally.is_loose(<F::Number as Screen>::RESOLUTION) {
            trial.by_ranges = false;
            tally = work(&runner, trial)?;
        }
        let measured = measurement(trial, &tally, &commit)?;
        let nanoseconds =
            start.elapsed().as_secs_f64() * 1e9 * runner.threads as f64 / tally.inputs as f64;
        let text = describe(&measured, nanoseconds);
        if !options.quiet {
            progress.suspend(|| println!("{text}"));
        }
        if measured.error > worst.0 {
            worst = (measured.error, format!("{} {}", measured.function, measured.form.name()));
        }
        total.merge(&Tally { worst: None, ..tally });
        if options.check {
            complaints.extend(complaint(&promises, F::NAME, &measured));
        }
        if let Some(path) = &output {
            record(path, measured)?;
        }
    }
    progress.finish_and_clear();
    if options.quiet {
        let Tally { inputs, misrounded, referred, .. } = total;
        println!(
            "{}: {} forms, {inputs} inputs, {misrounded} not nearest, {referred} by {}; at most \
             {:.6} ulp ({})",
            F::NAME,
            trials.len(),
            arbiter::NAME,
            worst.0,
            worst.1
        );
    }
    Ok(complaints)
}

/// Tries forms that take more than x; complains of errors above what is promised.
fn sweep_all(options: &Swept) -> Result<Vec<String>, String> {
    let level = Level::best();
    let cells = sweep::cells(level, &options.functions);
    if cells.is_empty() {
        return Err("none of these has parameters or is a gated unit".to_owned());
    }
    let commit = options.commit.clone().unwrap_or_else(kernels_commit);
    let is_full = options.points >= FULL_SWEEP && cfg!(feature = "mpfr");
    let output = options.output.clone().or_else(|| is_full.then(swept_path));
    actgrad::threads::set_limit(NonZero::<usize>::MIN);
    let cores = || std::thread::available_parallelism().map_or(1, NonZero::get);
    let threads = options.threads.map_or_else(cores, NonZero::get);
    let progress = ProgressBar::new(options.points * cells.len() as u64);
    let findings = sweep::run(&cells, options.points, threads, &progress)?;
    progress.finish_and_clear();

    let (mut swept, mut complaints) = (Vec::new(), Vec::new());
    for (cell, Finding { points, error, place }) in cells.iter().zip(findings) {
        let (numbers, got, exact) = place.unwrap_or(([0.0; 3], 0.0, "-".to_owned()));
        let [x, p, q] = numbers.map(|number| format!("{number:e}"));
        println!(
            "{:<12} {:<34} {} {error:.6} ulp at {x} ({p}, {q})",
            cell.function, cell.form, cell.format
        );
        if error > cell.allowed + 1e-9 {
            complaints.push(format!(
                "{} {} of {}: {error:.6} ulp, {} are promised for {}",
                cell.format, cell.form, cell.function, cell.allowed, cell.range
            ));
        }
        swept.push(tables::Swept {
            function: cell.function.to_owned(),
            form: cell.form.clone(),
            format: cell.format.to_owned(),
            range: cell.range.clone(),
            points,
            error,
            rest: [x, p, q, format!("{got:e}"), exact, level.name().to_owned(), commit.clone()],
        });
    }
    if let Some(path) = output {
        record_swept(&path, swept)?;
    }
    Ok(complaints)
}

fn measurement<F: Format>(
    trial: &Trial<F>,
    tally: &Tally,
    commit: &str,
) -> Result<Measurement, String> {
    let mut measured = Measurement {
        function: trial.formula.name.to_owned(),
        form: trial.form,
        error: tally.error(),
        inputs: tally.inputs,
        misrounded: tally.misrounded,
        referred: tally.referred,
        audited: tally.audited,
        worst_bits: "-".to_owned(),
        worst_input: "-".to_owned(),
        got: "-".to_owned(),
        exact: "-".to_owned(),
        level: trial.level.name().to_owned(),
        commit: commit.to_owned(),
    };
    if let Some(worst) = tally.worst {
        let account = trial.account(worst.input)?;
        if account.error != worst.error {
            return Err(format!(
                "{} of {}: the result at {:e} changed while it was looked at",
                trial.form.name(),
                trial.formula.name,
                account.input
            ));
        }
        let digits = F::WIDTH as usize / 4;
        measured.worst_bits = format!("0x{:0digits$x}", worst.input);
        measured.worst_input = format!("{:e}", account.input);
        measured.got = format!("{:e}", account.got);
        measured.exact = account.exact;
    }
    Ok(measured)
}

fn describe(measured: &Measurement, nanoseconds: f64) -> String {
    let Measurement {
        function,
        form,
        error,
        inputs,
        misrounded,
        referred,
        worst_bits,
        worst_input,
        ..
    } = measured;
    let share = 100.0 * *misrounded as f64 / *inputs as f64;
    let place =
        if worst_bits == "-" { String::new() } else { format!(" at {worst_input} ({worst_bits})") };
    let form = form.name();
    format!(
        "{function:<14} {form:<17} {error:.6} ulp{place}; {misrounded} of {inputs} not nearest \
         ({share:.3}%); {referred} by {}; {nanoseconds:.0} ns each",
        arbiter::NAME
    )
}

/// The last commit that changed one of these paths of the repository, which is marked `-dirty` if
/// they have changed since.
fn last_commit(paths: &[&str]) -> String {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        command.arg("-C").arg(home().join("..")).args(arguments).arg("--").args(paths);
        let output = command.output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let last = git(&["log", "-1", "--format=%h", "--abbrev=12"]).filter(|hash| !hash.is_empty());
    match (last, git(&["status", "--porcelain"])) {
        (Some(hash), Some(changes)) if changes.is_empty() => hash,
        (Some(hash), _) => hash + "-dirty",
        (None, _) => "unknown".to_owned(),
    }
}

fn kernels_commit() -> String {
    last_commit(&["src", "Cargo.toml", "Cargo.lock"])
}

/// What is wrong with the results on file.
fn check(tighten: bool) -> Result<Vec<String>, String> {
    let mut promises = read_promises(&promises_path())?;
    let here = kernels_commit();
    let mut results = Vec::new();
    for format in FORMATS {
        results.extend(read_results(&results_path(format))?.into_iter().map(|m| (format, m)));
    }
    if tighten {
        for row in CATALOGUE {
            for form in Form::ALL {
                if promises.iter().all(|p| p.function != row.name || p.form != form) {
                    let allowed = FORMATS.map(|format| public_promise(format, form));
                    promises.push(Promise { function: row.name.to_owned(), form, allowed });
                }
            }
        }
        tables::tighten(&mut promises, &results);
        write_promises(&promises_path(), &mut promises)?;
    }
    let mut complaints: Vec<String> = results
        .iter()
        .flat_map(|(format, measured)| {
            [complaint(&promises, format, measured), looseness(&promises, format, measured)]
        })
        .flatten()
        .collect();
    match read_swept(&swept_path())?.as_slice() {
        [] => eprintln!("note: parameters.tsv: no results on file"),
        swept => complaints.extend(swept_complaints(swept)),
    }
    match std::fs::read_to_string(results_path("rows")) {
        Ok(text) => complaints.extend(rows_complaints(&text)),
        Err(_) => eprintln!("note: rows.tsv: no results on file"),
    }

    let elsewhere: BTreeSet<_> =
        results.iter().map(|(_, m)| m.commit.as_str()).filter(|commit| *commit != here).collect();
    if !elsewhere.is_empty() {
        let commits = elsewhere.into_iter().collect::<Vec<_>>().join(", ");
        eprintln!("note: some results are of other kernels than those here, of {commits}");
    }
    let total = CATALOGUE.len() * Form::ALL.len();
    for format in FORMATS {
        let measured = results.iter().filter(|(name, _)| *name == format).count();
        if measured < total {
            eprintln!("note: {format}: {measured} of {total} forms have results on file");
        }
    }
    println!(
        "{} results on file, {} promises, none to be more than {} ulp too loose",
        results.len(),
        promises.len() * FORMATS.len(),
        tables::MARGIN
    );
    Ok(complaints)
}

/// Shows every complaint; an error that counts them, if there are any.
fn report(complaints: &[String]) -> Result<(), String> {
    for complaint in complaints {
        println!("{complaint}");
    }
    match complaints.len() {
        0 => Ok(()),
        1 => Err("one complaint, see above".to_owned()),
        count => Err(format!("{count} complaints, see above")),
    }
}
