//! Running trials: on several threads, with progress, and going on after an interruption.
//!
//! The inputs of a trial are cut into chunks. A chunk's tally depends on nothing but the chunk, so
//! the result is the same whatever the number of threads, and whether or not the run was one. Each
//! finished chunk is a line of a checkpoint file, which the next run reads if its first line, which
//! names the code and the inputs, is the same.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use indicatif::ProgressBar;

use crate::format::{Bits, Format, decode, encode};
use crate::points::{Source, neighbour, random};
use crate::trial::{Bench, Tally, Trial, Worst};

/// Inputs in a chunk: a fraction of a second.
const CHUNK: u64 = 1 << 20;

/// The environment of a run.
pub struct Runner<'a> {
    pub threads: usize,
    pub progress: &'a ProgressBar,
    /// Where checkpoints are kept; nowhere for short runs.
    pub checkpoints: Option<Checkpoints>,
}

/// A folder of checkpoint files.
pub struct Checkpoints {
    pub folder: PathBuf,
    /// Names the kernels and this program.
    pub code: String,
}

/// The chunks of a trial that are done.
struct Checkpoint {
    path: PathBuf,
    file: File,
    done: BTreeMap<u64, Tally>,
}

impl Runner<'_> {
    /// Tries every input of a source.
    pub fn run<F: Format>(&self, trial: &Trial<F>, source: &Source) -> Result<Tally, String> {
        Ok(self.chunks(trial, source)?.into_iter().fold(Tally::default(), merged))
    }

    /// The same for a sample, followed by a search that climbs from the worst points found: half as
    /// a rule of the effort of the sample, a tenth of it at most.
    pub fn run_and_climb<F: Format>(
        &self,
        trial: &Trial<F>,
        source: &Source,
    ) -> Result<Tally, String> {
        const BATCH: u64 = 4096;
        const STARTS: usize = 64;
        let chunks = self.chunks(trial, source)?;
        let mut starts: Vec<Worst> = chunks.iter().filter_map(|tally| tally.worst).collect();
        starts.sort_by(|a, b| b.error.total_cmp(&a.error));
        starts.truncate(STARTS);
        let rounds = (source.len() / (10 * BATCH * STARTS as u64)).max(1);
        self.progress.set_message(format!(
            "{} {}: climbing",
            trial.formula.name,
            trial.form.name()
        ));
        let climbs = self.parallel(starts.len(), |bench, index| {
            let mut tally = Tally { worst: Some(starts[index]), ..Tally::default() };
            let mut inputs = vec![F::Bits::default(); BATCH as usize];
            for round in 0..rounds {
                let best = tally.worst.map_or(starts[index].input, |worst| worst.input);
                let center = decode::<F>(F::Bits::from_pattern(best));
                let first = (index as u64 * rounds + round) * BATCH;
                for (k, input) in (0..).zip(&mut inputs) {
                    let step = random(u64::MAX - first - k);
                    *input = encode::<F>(neighbour::<F>(center, step, F::DIGITS as u32 * 3 / 4));
                }
                bench.run(trial, &inputs, &mut tally)?;
            }
            Ok(tally)
        })?;
        Ok(chunks.into_iter().chain(climbs).fold(Tally::default(), merged))
    }

    fn chunks<F: Format>(&self, trial: &Trial<F>, source: &Source) -> Result<Vec<Tally>, String> {
        let label = format!("{} {}", trial.formula.name, trial.form.name());
        self.progress.set_message(label);
        let total = source.len();
        let length = |chunk: u64| CHUNK.min(total - chunk * CHUNK);
        let mut checkpoint = None;
        if let Some(checkpoints) = &self.checkpoints {
            checkpoint = Some(checkpoints.open(trial, total)?);
        }
        let mut done =
            checkpoint.as_mut().map_or_else(BTreeMap::new, |file| core::mem::take(&mut file.done));
        self.progress.inc(done.keys().map(|&chunk| length(chunk)).sum());
        let missing: Vec<u64> =
            (0..total.div_ceil(CHUNK)).filter(|chunk| !done.contains_key(chunk)).collect();

        let log = Mutex::new(checkpoint.as_ref().map(|checkpoint| &checkpoint.file));
        let tallies = self.parallel(missing.len(), |bench, index| {
            let chunk = missing[index];
            let mut inputs = vec![F::Bits::default(); length(chunk) as usize];
            source.fill::<F>(chunk * CHUNK, &mut inputs);
            let mut tally = Tally::default();
            bench.run(trial, &inputs, &mut tally)?;
            if let Some(file) = &mut *log.lock().expect("no thread panics") {
                file.write_all(line(chunk, &tally).as_bytes())
                    .map_err(|error| format!("cannot write a checkpoint: {error}"))?;
            }
            self.progress.inc(length(chunk));
            Ok(tally)
        })?;
        done.extend(missing.iter().copied().zip(tallies));
        if let Some(checkpoint) = checkpoint {
            drop(fs::remove_file(checkpoint.path));
        }
        Ok(done.into_values().collect())
    }

    /// Calls `work` for every index below `count`, in order of beginning; results in order of index.
    fn parallel<F: Format, T: Send>(
        &self,
        count: usize,
        work: impl Fn(&mut Bench<F>, usize) -> Result<T, String> + Sync,
    ) -> Result<Vec<T>, String> {
        let next = AtomicUsize::new(0);
        let failed = AtomicBool::new(false);
        let take = || {
            let mut bench = Bench::default();
            let mut results = Vec::new();
            while !failed.load(Ordering::Relaxed) {
                let index = next.fetch_add(1, Ordering::Relaxed);
                if index >= count {
                    break;
                }
                let result = work(&mut bench, index);
                failed.fetch_or(result.is_err(), Ordering::Relaxed);
                results.push((index, result));
            }
            results
        };
        let mut results: Vec<(usize, Result<T, String>)> = std::thread::scope(|scope| {
            let helpers: Vec<_> = (1..self.threads).map(|_| scope.spawn(take)).collect();
            let mut results = take();
            for helper in helpers {
                results.extend(helper.join().expect("no thread panics"));
            }
            results
        });
        results.sort_by_key(|&(index, _)| index);
        results.into_iter().map(|(_, result)| result).collect()
    }
}

fn merged(mut sum: Tally, tally: Tally) -> Tally {
    sum.merge(&tally);
    sum
}

impl Checkpoints {
    fn open<F: Format>(&self, trial: &Trial<F>, total: u64) -> Result<Checkpoint, String> {
        let (name, form) = (trial.formula.name, trial.form.name());
        let path = self.folder.join(format!("{}-{name}-{form}.tsv", F::NAME));
        let head = format!("{name}\t{form}\t{total}\t{}\t{}", self.code, trial.level.name());
        let fail = |error: std::io::Error| format!("cannot use {}: {error}", path.display());
        fs::create_dir_all(&self.folder).map_err(fail)?;
        let done = read(&path, &head);
        let mut file = if done.is_some() {
            OpenOptions::new().append(true).open(&path)
        } else {
            File::create(&path)
        }
        .map_err(fail)?;
        if done.is_none() {
            writeln!(file, "{head}").map_err(fail)?;
        }
        Ok(Checkpoint { path, file, done: done.unwrap_or_default() })
    }
}

/// The finished chunks in a checkpoint file that begins with `head`; a line cut short is skipped.
fn read(path: &Path, head: &str) -> Option<BTreeMap<u64, Tally>> {
    let mut lines = BufReader::new(File::open(path).ok()?).lines().map_while(Result::ok);
    if lines.next()? != head {
        return None;
    }
    Some(lines.filter_map(|line| parse(&line)).collect())
}

/// A finished chunk as a line.
pub fn line(chunk: u64, tally: &Tally) -> String {
    let Tally { inputs, misrounded, referred, audited, worst, bound } = tally;
    let (error, input) = worst.map_or((0.0, 0), |worst| (worst.error, worst.input));
    let has_worst = u8::from(worst.is_some());
    format!(
        "{chunk} {inputs} {misrounded} {referred} {audited} {bound:e} {has_worst} {error:e} {input} .\n"
    )
}

/// The chunk of a whole line.
pub fn parse(line: &str) -> Option<(u64, Tally)> {
    let fields: Vec<&str> = line.split(' ').collect();
    let [chunk, inputs, misrounded, referred, audited, bound, has_worst, error, input, "."] =
        fields[..]
    else {
        return None;
    };
    let worst = Worst { error: error.parse().ok()?, input: input.parse().ok()? };
    let tally = Tally {
        inputs: inputs.parse().ok()?,
        misrounded: misrounded.parse().ok()?,
        referred: referred.parse().ok()?,
        audited: audited.parse().ok()?,
        worst: (has_worst == "1").then_some(worst),
        bound: bound.parse().ok()?,
    };
    Some((chunk.parse().ok()?, tally))
}
