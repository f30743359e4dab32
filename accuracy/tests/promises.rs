//! The promises: complete, and kept by the results on file.

use accuracy::formulas::Form;
use accuracy::run::{line, parse};
use accuracy::sweep::stated_bounds;
use accuracy::tables::{
    FORMATS, Measurement, Promise, complaint, looseness, promises_path, public_promise,
    read_promises, read_results, read_swept, record, record_swept, results_path, rows_complaints,
    swept_complaints, swept_path, tighten, tightened,
};
use accuracy::trial::{Tally, Worst};
use actgrad::catalogue::CATALOGUE;

fn promises() -> Vec<Promise> {
    read_promises(&promises_path()).expect("promises.tsv is readable")
}

fn measured(function: &str, form: Form, error: f64, misrounded: u64) -> Measurement {
    let none = || "-".to_owned();
    Measurement {
        function: function.to_owned(),
        form,
        error,
        inputs: 1,
        misrounded,
        referred: 0,
        audited: 0,
        worst_bits: none(),
        worst_input: none(),
        got: none(),
        exact: none(),
        level: none(),
        commit: none(),
    }
}

#[test]
fn every_form_of_the_catalogue_is_promised() {
    let promises = promises();
    for row in CATALOGUE {
        for form in Form::ALL {
            let promise = promises.iter().find(|p| p.function == row.name && p.form == form);
            let promise = promise.unwrap_or_else(|| {
                panic!("promises.tsv lacks {} {}; add its row", row.name, form.name())
            });
            for (format, allowed) in FORMATS.into_iter().zip(promise.allowed) {
                let name = format!("{format} {} of {}", form.name(), row.name);
                assert!(allowed <= public_promise(format, form), "{name}: more than is promised");
            }
        }
    }
}

#[test]
fn results_on_file_keep_the_promises() {
    let promises = promises();
    let mut complaints = Vec::new();
    for format in FORMATS {
        for measured in read_results(&results_path(format)).expect("results are readable") {
            complaints.extend(complaint(&promises, format, &measured));
            complaints.extend(looseness(&promises, format, &measured));
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

#[test]
fn broken_and_loose_promises_are_complained_of() {
    let form = Form::Value;
    let promise = |allowed| {
        [Promise { function: "sigmoid".to_owned(), form, allowed: [0.5, 0.5, allowed, allowed] }]
    };
    let about = |allowed, format, error, misrounded| {
        complaint(&promise(allowed), format, &measured("sigmoid", form, error, misrounded))
    };
    assert_eq!(about(0.75, "float32", 0.75, 9), None);
    assert!(about(0.75, "float32", 0.751, 9).is_some_and(|text| text.contains("0.751")));
    assert!(about(0.75, "float32", f64::INFINITY, 9).is_some());
    assert!(about(1.5, "float32", 0.1, 9).is_some_and(|text| text.contains("public promise")));
    assert!(about(0.75, "float16", 0.4, 1).is_some_and(|text| text.contains("nearest")));
    assert!(complaint(&[], "float32", &measured("sigmoid", form, 0.1, 0)).is_some());

    let loose = |allowed, format, error| {
        looseness(&promise(allowed), format, &measured("sigmoid", form, error, 0)).is_some()
    };
    assert!(loose(0.75, "float32", 0.69));
    assert!(!loose(0.75, "float32", 0.71));
    assert!(loose(0.75, "float64", 0.0));
    assert!(!loose(0.75, "float16", 0.1));
    for (error, expected) in [(0.0, 0.0), (0.5, 0.51), (0.7412, 0.76), (0.9999, 1.0), (1.7, 1.0)] {
        let measured = measured("sigmoid", form, error, 0);
        assert_eq!(tightened("float32", &measured), expected);
        let mut promises = promise(1.0);
        tighten(&mut promises, &[("float32", measured)]);
        assert_eq!(promises[0].allowed, [0.5, 0.5, expected, 1.0]);
    }
}

#[test]
fn results_are_kept_in_catalogue_order() {
    let path = std::env::temp_dir().join(format!("actgrad-results-{}.tsv", std::process::id()));
    let list = [
        measured("relu", Form::Value, 0.0, 0),
        measured("tanh", Form::SecondDerivative, 0.5, 1),
        measured("tanh", Form::Value, 0.25, 0),
        measured("relu", Form::Value, 0.125, 3),
    ];
    for measured in list.clone() {
        record(&path, measured).expect("the temporary folder is writable");
    }
    let read = read_results(&path).expect("what was written is readable");
    std::fs::remove_file(&path).expect("the file is there");
    assert_eq!(read, [2, 1, 3].map(|index| list[index].clone()));
}

#[test]
fn checkpoint_lines_read_back() {
    for worst in [None, Some(Worst { error: 0.512_345_678_9, input: 0xbf80_0001 })] {
        let tally = Tally { inputs: 7, misrounded: 2, worst, bound: 0.1, ..Tally::default() };
        let text = line(3, &tally);
        assert_eq!(parse(text.trim_end()), Some((3, tally)));
        assert_eq!(parse(&text[..text.len() - 3]), None, "a line cut short counts for nothing");
    }
}

#[test]
fn bounds_with_parameters_hold_for_what_was_measured() {
    let swept = read_swept(&swept_path()).expect("parameters.tsv is readable");
    let complaints = swept_complaints(&swept);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));

    let mut broken = swept.clone();
    broken[0].error = 1.5;
    let mut narrow = swept.clone();
    narrow[0].range = "less".to_owned();
    for bad in [broken, narrow, swept[1..].to_vec()] {
        assert_eq!(swept_complaints(&bad).len(), 1);
    }

    let path = std::env::temp_dir().join(format!("actgrad-swept-{}.tsv", std::process::id()));
    record_swept(&path, swept.clone()).expect("the temporary folder is writable");
    let read = read_swept(&path).expect("what was written is readable");
    std::fs::remove_file(&path).expect("the file is there");
    assert_eq!(read, swept);
}

#[test]
fn bounds_of_rows_hold_for_what_was_measured() {
    let text = std::fs::read_to_string(results_path("rows")).expect("rows.tsv is readable");
    let complaints = rows_complaints(&text);
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(rows_complaints(&lines[..lines.len() - 1].join("\n")).len(), 1, "a line is missing");
    let broken = text.replace("\t0.", "\t1.");
    assert!(rows_complaints(&broken).len() > 5);
}

#[test]
fn bounds_are_read_from_documentation() {
    assert_eq!(stated_bounds("at most 1.5 ulp, and more"), [1.5]);
    assert_eq!(stated_bounds("at most 2 ulp; elsewhere 100 ulp"), [2.0, 100.0]);
    assert_eq!(stated_bounds("that of one rounding"), [0.5]);
}
