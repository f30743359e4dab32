//! The kernels without Python: every activation, form, precision and instruction set.
//!
//! `cargo bench -p actgrad-benches` runs all of them, which takes long; criterion takes a part of a
//! name, as in `cargo bench -p actgrad-benches -- gelu_backward/float32/avx512`.

use std::num::NonZero;

use actgrad::catalogue::CATALOGUE;
use actgrad::simd::Level;
use actgrad::storage::Storage;
use actgrad::threads;
use actgrad_benches::call::{Call, storage_name};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};

const COUNTS: [usize; 3] = [100, 30_000, 1_000_000];

fn kernels(criterion: &mut Criterion) {
    // The loops alone: threads are for benches/compare.py.
    threads::set_limit(NonZero::<usize>::MIN);
    for level in Level::available() {
        for row in CATALOGUE {
            for ufunc in row.ufuncs(level) {
                for storage in Storage::ALL {
                    let name = format!("{}/{}/{}", ufunc.name, storage_name(storage), level.name());
                    let mut group = criterion.benchmark_group(name);
                    for count in COUNTS {
                        group.throughput(Throughput::Elements(count as u64));
                        group.bench_function(BenchmarkId::from_parameter(count), |bencher| {
                            let mut call = Call::new(row, &ufunc, storage, count);
                            bencher.iter(|| call.run());
                        });
                    }
                    group.finish();
                }
            }
        }
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
