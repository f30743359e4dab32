//! Results and promises: tables of text in this package, one row for each form of an activation.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use actgrad::catalogue::CATALOGUE;
use actgrad::rows::catalogue::ROW_CATALOGUE;
use actgrad::simd::Level;

use crate::format::{Float32, Float64, Format as _};
use crate::formulas::Form;
use crate::sweep::{cells, stated_bounds};

/// What the project promises in public, in ulps; half an ulp is correct rounding.
pub fn public_promise(format: &str, form: Form) -> f64 {
    match (format, form) {
        ("float16" | "bfloat16", _) => 0.5,
        (_, Form::Value | Form::Derivative) => 1.0,
        (_, Form::SecondDerivative) => 2.0,
    }
}

/// How much larger than the measured error a promise may be, in ulps, before it is too loose.
pub const MARGIN: f64 = 0.05;

/// The formats with results and promises, in the order of their columns.
pub const FORMATS: [&str; 4] = ["float16", "bfloat16", "float32", "float64"];

/// The folder of this package.
pub fn home() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The results of a format.
pub fn results_path(format: &str) -> PathBuf {
    home().join("results").join(format!("{format}.tsv"))
}

pub fn promises_path() -> PathBuf {
    home().join("promises.tsv")
}

/// The measured error of one form in one format.
#[derive(Clone, Debug, PartialEq)]
pub struct Measurement {
    pub function: String,
    pub form: Form,
    /// The largest error, in ulps; where `worst_input` is empty, a bound of it.
    pub error: f64,
    pub inputs: u64,
    pub misrounded: u64,
    pub referred: u64,
    pub audited: u64,
    /// Its bits, and the numbers that go with it.
    pub worst_bits: String,
    pub worst_input: String,
    pub got: String,
    pub exact: String,
    pub level: String,
    pub commit: String,
}

const HEAD: &str = "function\tform\tworst_ulp\tinputs\tmisrounded\treferred\taudited\tworst_bits\tworst_input\tgot\texact\tlevel\tcommit";

impl Measurement {
    fn to_line(&self) -> String {
        let Measurement {
            function,
            form,
            error,
            inputs,
            misrounded,
            referred,
            audited,
            worst_bits,
            worst_input,
            got,
            exact,
            level,
            commit,
        } = self;
        let form = form.name();
        format!(
            "{function}\t{form}\t{error:.9}\t{inputs}\t{misrounded}\t{referred}\t{audited}\t{worst_bits}\t{worst_input}\t{got}\t{exact}\t{level}\t{commit}\n"
        )
    }

    fn from_line(line: &str) -> Option<Measurement> {
        let fields: Vec<&str> = line.split('\t').collect();
        let [
            function,
            form,
            error,
            inputs,
            misrounded,
            referred,
            audited,
            worst_bits,
            worst_input,
            got,
            exact,
            level,
            commit,
        ] = fields[..]
        else {
            return None;
        };
        Some(Measurement {
            function: function.to_owned(),
            form: form_named(form)?,
            error: error.parse().ok()?,
            inputs: inputs.parse().ok()?,
            misrounded: misrounded.parse().ok()?,
            referred: referred.parse().ok()?,
            audited: audited.parse().ok()?,
            worst_bits: worst_bits.to_owned(),
            worst_input: worst_input.to_owned(),
            got: got.to_owned(),
            exact: exact.to_owned(),
            level: level.to_owned(),
            commit: commit.to_owned(),
        })
    }
}

fn form_named(name: &str) -> Option<Form> {
    Form::ALL.into_iter().find(|form| form.name() == name)
}

/// A row's place: catalogue order, then the order of the forms.
fn place(function: &str, form: Form) -> (usize, usize) {
    let row = CATALOGUE.iter().position(|row| row.name == function);
    (row.unwrap_or(CATALOGUE.len()), form as usize)
}

fn read_text(path: &Path) -> Result<Option<String>, String> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("cannot read {}: {error}", path.display())),
    }
}

fn write_text(path: &Path, text: &str) -> Result<(), String> {
    let fail = |error| format!("cannot write {}: {error}", path.display());
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(fail)?;
    }
    // A run that is stopped while it writes leaves the old file.
    let partial = path.with_extension("partial");
    fs::write(&partial, text).and_then(|()| fs::rename(&partial, path)).map_err(fail)
}

/// The measurements in a file; none, if there is no file.
pub fn read_results(path: &Path) -> Result<Vec<Measurement>, String> {
    let Some(text) = read_text(path)? else { return Ok(Vec::new()) };
    let mut lines = text.lines().filter(|line| !line.starts_with('#'));
    if lines.next() != Some(HEAD) {
        return Err(format!("{}: the first line is not the expected header", path.display()));
    }
    let bad = |line| format!("{}: cannot read the line {line:?}", path.display());
    lines.map(|line| Measurement::from_line(line).ok_or_else(|| bad(line))).collect()
}

/// Replaces or adds a measurement in a file.
pub fn record(path: &Path, measurement: Measurement) -> Result<(), String> {
    let mut list = read_results(path)?;
    list.retain(|m| (&m.function, m.form) != (&measurement.function, measurement.form));
    list.push(measurement);
    list.sort_by_key(|m| place(&m.function, m.form));
    let lines: String = list.iter().map(Measurement::to_line).collect();
    write_text(path, &format!("{HEAD}\n{lines}"))
}

/// The errors allowed to one form: one for each format, in ulps.
#[derive(Clone, Debug, PartialEq)]
pub struct Promise {
    pub function: String,
    pub form: Form,
    pub allowed: [f64; 4],
}

pub fn read_promises(path: &Path) -> Result<Vec<Promise>, String> {
    let text = read_text(path)?.ok_or_else(|| format!("there is no {}", path.display()))?;
    let mut promises = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#') && *line != promise_head()) {
        let fields: Vec<&str> = line.split('\t').collect();
        let promise = match fields[..] {
            [function, form, a, b, c, d] => form_named(form).and_then(|form| {
                let numbers: Result<Vec<f64>, _> = [a, b, c, d].iter().map(|n| n.parse()).collect();
                let allowed = numbers.ok()?.try_into().ok()?;
                Some(Promise { function: function.to_owned(), form, allowed })
            }),
            _ => None,
        };
        promises.push(
            promise.ok_or_else(|| format!("{}: cannot read the line {line:?}", path.display()))?,
        );
    }
    Ok(promises)
}

fn promise_head() -> String {
    format!("function\tform\t{}", FORMATS.join("\t"))
}

pub fn write_promises(path: &Path, promises: &mut [Promise]) -> Result<(), String> {
    promises.sort_by_key(|promise| place(&promise.function, promise.form));
    let mut text = format!(
        "# The errors allowed, in ulps; 0.5 is correct rounding. `accuracy check` fails where a\n\
         # measured error is larger, or smaller by more than {MARGIN} ulp; with `--tighten` it rewrites\n\
         # this table.\n{}\n",
        promise_head()
    );
    for Promise { function, form, allowed } in promises.iter() {
        let numbers = allowed.map(|number| number.to_string()).join("\t");
        writeln!(text, "{function}\t{}\t{numbers}", form.name()).expect("memory");
    }
    write_text(path, &text)
}

/// Whether a measured error keeps a promise; a complaint, if not.
pub fn complaint(promises: &[Promise], format: &str, measured: &Measurement) -> Option<String> {
    let Measurement { function, form, error, misrounded, .. } = measured;
    let name = format!("{format} {} of {function}", form.name());
    let column = FORMATS.iter().position(|&known| known == format)?;
    let Some(promise) = promises.iter().find(|p| &p.function == function && p.form == *form) else {
        return Some(format!("{name}: promises.tsv does not promise anything"));
    };
    let allowed = promise.allowed[column];
    let public = public_promise(format, *form);
    if allowed > public {
        return Some(format!(
            "{name}: {allowed} ulp are allowed, more than the public promise, {public}"
        ));
    }
    if allowed == 0.5 {
        // The error of a tie is half an ulp and what the arbiter adds in rounding up.
        return (*misrounded > 0 || *error > 0.5 + 1e-9)
            .then(|| format!("{name}: {misrounded} results are not the nearest float"));
    }
    if *error > allowed {
        let Measurement { worst_bits, worst_input, .. } = measured;
        return Some(format!(
            "{name}: {error:.6} ulp at {worst_input} ({worst_bits}), {allowed} are allowed"
        ));
    }
    None
}

/// Lowers and raises promises to what measurements call for.
pub fn tighten(promises: &mut [Promise], results: &[(&str, Measurement)]) {
    for (format, measured) in results {
        let column = FORMATS.iter().position(|known| known == format);
        let promise = promises
            .iter_mut()
            .find(|p| p.function == measured.function && p.form == measured.form);
        if let (Some(column), Some(promise)) = (column, promise) {
            promise.allowed[column] = tightened(format, measured);
        }
    }
}

/// A complaint if the promise is looser than a full measurement calls for.
pub fn looseness(promises: &[Promise], format: &str, measured: &Measurement) -> Option<String> {
    let Measurement { function, form, error, .. } = measured;
    let column = FORMATS.iter().position(|&known| known == format)?;
    let promise = promises.iter().find(|p| &p.function == function && p.form == *form)?;
    let allowed = promise.allowed[column];
    (allowed > tightened(format, measured) && allowed > error + MARGIN).then(|| {
        format!(
            "{format} {} of {function}: {error:.6} ulp measured, {allowed} allowed: more than \
             {MARGIN} looser",
            form.name()
        )
    })
}

/// The promise a measurement calls for: zero, or the next hundredth and one more; never more than
/// the public promise. In the half formats all that matters is that every result is the nearest.
pub fn tightened(format: &str, measured: &Measurement) -> f64 {
    let public = public_promise(format, measured.form);
    if public == 0.5 {
        return public;
    }
    let hundredths =
        if measured.error == 0.0 { 0.0 } else { (measured.error * 100.0).ceil() + 1.0 };
    (hundredths / 100.0).min(public)
}

/// The measured error of a form at sampled parameters, or of a gated unit.
#[derive(Clone, Debug, PartialEq)]
pub struct Swept {
    pub function: String,
    pub form: String,
    pub format: String,
    /// The parameters tried, in words.
    pub range: String,
    pub points: u64,
    pub error: f64,
    /// x, or the gate, and the parameters, or the value and the gradient, at the worst result; what it
    /// was and the exact value; the instruction set and the commit.
    pub rest: [String; 7],
}

const SWEPT_HEAD: &str = "function\tform\tformat\trange\tpoints\tworst_ulp\tworst_x\tworst_p\tworst_q\tgot\texact\tlevel\tcommit";

pub fn swept_path() -> PathBuf {
    home().join("results").join("parameters.tsv")
}

/// The measurements in a file; none, if there is no file.
pub fn read_swept(path: &Path) -> Result<Vec<Swept>, String> {
    let Some(text) = read_text(path)? else { return Ok(Vec::new()) };
    let mut lines = text.lines();
    if lines.next() != Some(SWEPT_HEAD) {
        return Err(format!("{}: the first line is not the expected header", path.display()));
    }
    let parse = |line: &str| {
        let fields: Vec<String> = line.split('\t').map(str::to_owned).collect();
        let [function, form, format, range, points, error, rest @ ..] = &fields[..] else {
            return None;
        };
        Some(Swept {
            function: function.clone(),
            form: form.clone(),
            format: format.clone(),
            range: range.clone(),
            points: points.parse().ok()?,
            error: error.parse().ok()?,
            rest: rest.to_vec().try_into().ok()?,
        })
    };
    let bad = |line| format!("{}: cannot read the line {line:?}", path.display());
    lines.map(|line| parse(line).ok_or_else(|| bad(line))).collect()
}

/// Puts measurements in the place of those of the same functions.
pub fn record_swept(path: &Path, swept: Vec<Swept>) -> Result<(), String> {
    let old = read_swept(path)?;
    let is_new = |old: &Swept| swept.iter().any(|new| new.function == old.function);
    let mut list: Vec<Swept> = old.into_iter().filter(|old| !is_new(old)).collect();
    list.extend(swept);
    // Gated units after the activations.
    list.sort_by_key(|s| CATALOGUE.iter().position(|row| row.name == s.function).unwrap_or(1000));
    let mut text = format!("{SWEPT_HEAD}\n");
    for Swept { function, form, format, range, points, error, rest } in &list {
        let rest = rest.join("\t");
        writeln!(text, "{function}\t{form}\t{format}\t{range}\t{points}\t{error:.9}\t{rest}")
            .expect("memory");
    }
    write_text(path, &text)
}

/// What is wrong with measurements at sampled parameters: an error above its promise, another range
/// than is documented, a form without any.
pub fn swept_complaints(swept: &[Swept]) -> Vec<String> {
    let mut complaints = Vec::new();
    for cell in cells(Level::best(), &[]) {
        let name = format!("{} {} of {}", cell.format, cell.form, cell.function);
        let found = swept.iter().find(|s| {
            [&s.function, &s.form, &s.format, &s.range]
                == [cell.function, &cell.form, cell.format, &cell.range]
        });
        complaints.extend(match found {
            None => Some(format!("{name}: parameters.tsv has no measurement for {}", cell.range)),
            // One rounding adds a little to half an ulp, see `complaint`.
            Some(s) if s.error.is_nan() || s.error > cell.allowed + 1e-9 => {
                Some(format!("{name}: {:.6} ulp, {} are promised", s.error, cell.allowed))
            }
            Some(_) => None,
        });
    }
    complaints
}

/// What is wrong with rows.tsv, as `rows.py` writes it: an error above what the documentation states, or a
/// function without its errors.
pub fn rows_complaints(text: &str) -> Vec<String> {
    // The double backward pass and those from the output are in the tests of the rows only.
    const FORMS: [&str; 3] = ["value", "backward", "jacobian"];
    let lines: Vec<Vec<&str>> =
        text.lines().skip(1).map(|line| line.split('\t').collect()).collect();
    let mut complaints = Vec::new();
    // softmin and the gradient of logsumexp have the bits of softmax.
    let others = |name: &str| name != "softmin";
    for activation in ROW_CATALOGUE.iter().filter(|activation| others(activation.name)) {
        for ufunc in activation.ufuncs {
            let suffix = ufunc.form.suffix().trim_start_matches('_');
            let form = if suffix.is_empty() { "value" } else { suffix };
            if !FORMS.contains(&form) || activation.name == "logsumexp" && form != "value" {
                continue;
            }
            let bound = stated_bounds(ufunc.error)[0];
            for format in [Float32::NAME, Float64::NAME] {
                let place = [activation.name, form, format];
                let line = lines.iter().find(|fields| fields.len() == 7 && fields[..3] == place);
                let error = line.and_then(|fields| fields[5].parse::<f64>().ok());
                if error.is_none_or(|error| error.is_nan() || error > bound) {
                    complaints.push(format!(
                        "{format} {form} of {}: {error:?} ulp in rows.tsv, {bound} are promised",
                        activation.name
                    ));
                }
            }
        }
    }
    complaints
}
