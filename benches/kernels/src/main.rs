//! The roofline of every kernel: how fast it can be on this machine, and how fast it is.
//!
//! A call is bound by its instructions or by the bytes it moves. Both are measured here: the
//! instructions of one element are counted (`trace`), the time they need at least is timed apart
//! (`machine`), and so is copying as many bytes. `benches/roofline.py` runs this and makes the table.
//!
//! Arguments are `name=value,value`: `function`, `form`, `dtype`, `count`, `threads`, `level`, each
//! empty for all, and `rounds=number`. The table goes to standard output, tab-separated, a line as
//! soon as it is known, after a line with their number.

use std::collections::BTreeMap;
use std::num::NonZero;
use std::process::ExitCode;

use actgrad::catalogue::{CATALOGUE, Row, Ufunc};
use actgrad::operands::GRAIN;
use actgrad::simd::Level;
use actgrad::storage::Storage;
use actgrad::threads;
use actgrad_benches::call::{Call, storage_name};
use actgrad_benches::machine::{Copy, Speed, fastest, speed};

const COLUMNS: &[&str] = &[
    "function",
    "form",
    "dtype",
    "level",
    "threads",
    "count",
    "arrays",
    "instructions",
    "arithmetic",
    "logic",
    "divide",
    "square_root",
    "instruction_ns",
    "memory_ns",
    "measured_ns",
];

/// What was asked for.
struct Wanted(BTreeMap<String, Vec<String>>);

impl Wanted {
    fn parse(arguments: impl Iterator<Item = String>) -> Result<Wanted, String> {
        let mut wanted = BTreeMap::new();
        for argument in arguments {
            let (name, values) = argument
                .split_once('=')
                .ok_or_else(|| format!("got {argument:?}; wanted name=value,value"))?;
            let values = values.split(',').filter(|value| !value.is_empty());
            wanted.insert(name.to_owned(), values.map(str::to_owned).collect());
        }
        Ok(Wanted(wanted))
    }

    fn has(&self, name: &str, value: &str) -> bool {
        self.0
            .get(name)
            .is_none_or(|values| values.is_empty() || values.iter().any(|wanted| wanted == value))
    }

    fn numbers(&self, name: &str, default: &[usize]) -> Result<Vec<usize>, String> {
        match self.0.get(name) {
            Some(values) if !values.is_empty() => values
                .iter()
                .map(|value| value.parse().map_err(|_| format!("{name}: {value:?} is no number")))
                .collect(),
            _ => Ok(default.to_vec()),
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("roofline: {message}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    let wanted = Wanted::parse(std::env::args().skip(1))?;
    let cores = std::thread::available_parallelism().map_or(1, NonZero::get);
    let counts = wanted.numbers("count", &[30_000, 10_000_000])?;
    let threads = wanted.numbers("threads", if cores > 1 { &[1, 0] } else { &[1] })?;
    let rounds = wanted.numbers("rounds", &[7])?[0];
    let level = match wanted.0.get("level").and_then(|values| values.first()) {
        Some(name) => name.parse()?,
        None => Level::best(),
    };

    let mut kernels: Vec<(&Row, Ufunc, Storage)> = Vec::new();
    for row in CATALOGUE.iter().filter(|row| wanted.has("function", row.name)) {
        for ufunc in row.ufuncs(level).into_iter().filter(|ufunc| wanted.has("form", &ufunc.form)) {
            for storage in Storage::ALL {
                if wanted.has("dtype", storage_name(storage)) {
                    kernels.push((row, ufunc.clone(), storage));
                }
            }
        }
    }
    let mut lines = Vec::new();
    for &count in &counts {
        for &threads in &threads {
            let threads = if threads == 0 { cores } else { threads };
            for kernel in &kernels {
                // A call that is not split is the same whatever the limit.
                if threads == 1 || count >= 4 * GRAIN {
                    lines.push((kernel, threads, count));
                }
            }
        }
    }
    println!("{}", lines.len());
    if let Some(Speed { float, logic, divide, square_root }) = speed(level) {
        println!(
            "# ns for one vector, {}: arithmetic {float:.4}, logic {logic:.4}, division \
             {:.3} and {:.3} (float32 and float64), square root {:.3} and {:.3}",
            level.name(),
            divide[0],
            divide[1],
            square_root[0],
            square_root[1]
        );
    }
    println!("{}", COLUMNS.join("\t"));
    for ((row, ufunc, storage), threads, count) in lines {
        let bench = Bench { level, threads, count, rounds };
        println!("{}", bench.line(row, ufunc, *storage));
    }
    Ok(())
}

/// How a kernel is timed.
struct Bench {
    level: Level,
    threads: usize,
    count: usize,
    rounds: usize,
}

impl Bench {
    /// A line of the table; times are nanoseconds an element.
    fn line(&self, row: &Row, ufunc: &Ufunc, storage: Storage) -> String {
        let Bench { level, threads, count, rounds } = *self;
        threads::set_limit(NonZero::new(threads).unwrap_or(NonZero::<usize>::MIN));
        let mut call = Call::new(row, ufunc, storage, count);
        let arrays = call.bytes() / (count * storage.item_size());
        let mut copy = Copy::new(call.bytes() / 2);
        let repeats = (1_000_000 / count).max(1);
        let each = (repeats * count) as f64;

        // In turn, so that what disturbs one disturbs the others.
        let (mut measured, mut memory) = (f64::INFINITY, f64::INFINITY);
        let scale = call.bytes() as f64 / copy.bytes() as f64;
        for _ in 0..rounds {
            let repeat = |work: &mut dyn FnMut()| {
                work();
                fastest(1, || (0..repeats).for_each(|_| work())) / each
            };
            measured = measured.min(repeat(&mut || call.run()));
            memory = memory.min(scale * repeat(&mut || copy.cached()));
            if count * storage.item_size() > 1 << 22 {
                memory = memory.min(scale * repeat(&mut || copy.streamed()));
            }
        }

        // Now and not once at the start: the clock of the processor changes.
        let [all, float, logic, divide, root, bound] = counted(row, ufunc, storage, speed(level));
        let mut fields = vec![
            row.name.to_owned(),
            ufunc.form.clone(),
            storage_name(storage).to_owned(),
            level.name().to_owned(),
            threads.to_string(),
            count.to_string(),
            arrays.to_string(),
        ];
        let numbers = [all, float, logic, divide, root, bound / threads as f64, memory, measured];
        fields.extend(numbers.map(|number| format!("{number:.5}")));
        fields.join("\t")
    }
}

/// Instructions for each element, all and by kind, and the least time they take; NaN where this
/// system does not let them be counted.
fn counted(row: &Row, ufunc: &Ufunc, storage: Storage, speed: Option<Speed>) -> [f64; 6] {
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    if let Some(speed) = speed {
        // Whole blocks of every loop and buffer; one thread; the difference is 512 elements.
        let mut short = Call::new(row, ufunc, storage, 512);
        let mut long = Call::new(row, ufunc, storage, 1024);
        // The first call ever finds the addresses of library functions.
        short.run();
        let mix = actgrad_benches::trace::difference(|| short.run(), || long.run(), 512);
        let bound = speed.bound(&mix);
        return [
            mix.all,
            mix.float,
            mix.logic,
            mix.divide.iter().sum(),
            mix.square_root.iter().sum(),
            bound,
        ];
    }
    let _ = (row, ufunc, storage, speed);
    [f64::NAN; 6]
}
