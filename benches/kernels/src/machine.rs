//! What the machine can do at best: instructions in a row, and bytes copied.

use std::time::Instant;

use actgrad::simd::Level;
use actgrad::threads;

use crate::buffer::Buffer;

/// Nanoseconds one vector instruction takes when many independent ones are in flight.
#[derive(Clone, Copy, Debug)]
pub struct Speed {
    pub float: f64,
    pub logic: f64,
    /// In float32, in float64.
    pub divide: [f64; 2],
    pub square_root: [f64; 2],
}

impl Speed {
    /// The time the mix takes if the busiest part of the processor never waits.
    #[cfg(all(target_arch = "x86_64", target_os = "linux"))]
    pub fn bound(&self, mix: &crate::trace::Mix) -> f64 {
        let divider: f64 = (0..2)
            .map(|precision| {
                mix.divide[precision] * self.divide[precision]
                    + mix.square_root[precision] * self.square_root[precision]
            })
            .sum();
        // Whatever runs on a floating-point port keeps it from logic.
        let ports = (mix.float + mix.logic) * self.logic;
        divider.max(ports).max(mix.float * self.float)
    }
}

/// The least of a few timings of `work`, in nanoseconds.
pub fn fastest(rounds: usize, mut work: impl FnMut()) -> f64 {
    (0..rounds)
        .map(|_| {
            let start = Instant::now();
            work();
            start.elapsed().as_nanos() as f64
        })
        .fold(f64::INFINITY, f64::min)
}

#[cfg(target_arch = "x86_64")]
mod throughput {
    use super::{Level, Speed, fastest};

    /// Instructions in one turn of the loop.
    const TURN: usize = 12;
    const TURNS: usize = 4_000;

    // Twelve instructions that depend on nothing but two constant registers.
    macro_rules! twelve {
        ($op:literal, $r:literal, $from:literal) => {
            concat!(
                $op, " ", $r, "0", $from, "\n", $op, " ", $r, "1", $from, "\n", $op, " ", $r, "2",
                $from, "\n", $op, " ", $r, "3", $from, "\n", $op, " ", $r, "4", $from, "\n", $op,
                " ", $r, "5", $from, "\n", $op, " ", $r, "6", $from, "\n", $op, " ", $r, "7",
                $from, "\n", $op, " ", $r, "8", $from, "\n", $op, " ", $r, "9", $from, "\n", $op,
                " ", $r, "10", $from, "\n", $op, " ", $r, "11", $from, "\n",
            )
        };
    }

    macro_rules! loops {
        ($($name:ident: $features:literal, $broadcast:literal, $op:literal, $r:literal, $from:literal;)*) => {$(
            #[target_feature(enable = $features)]
            fn $name() {
                let one = 1.0_f64;
                // SAFETY: reads eight bytes and changes vector registers only, all declared.
                unsafe {
                    std::arch::asm!(
                        concat!($broadcast, " ", $r, "14, qword ptr [{one}]"),
                        concat!($broadcast, " ", $r, "15, qword ptr [{one}]"),
                        "2:",
                        twelve!($op, $r, $from),
                        "dec {turns}",
                        "jnz 2b",
                        one = in(reg) &raw const one,
                        turns = inout(reg) TURNS => _,
                        out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _,
                        out("xmm4") _, out("xmm5") _, out("xmm6") _, out("xmm7") _,
                        out("xmm8") _, out("xmm9") _, out("xmm10") _, out("xmm11") _,
                        out("xmm14") _, out("xmm15") _,
                        options(nostack),
                    );
                }
            }
        )*};
    }

    loops! {
        ymm_fma: "avx2,fma", "vbroadcastsd", "vfmadd213pd", "ymm", ", ymm14, ymm15";
        ymm_or: "avx2,fma", "vbroadcastsd", "vpor", "ymm", ", ymm14, ymm15";
        ymm_divide_f32: "avx2,fma", "vbroadcastsd", "vdivps", "ymm", ", ymm14, ymm15";
        ymm_divide_f64: "avx2,fma", "vbroadcastsd", "vdivpd", "ymm", ", ymm14, ymm15";
        ymm_root_f32: "avx2,fma", "vbroadcastsd", "vsqrtps", "ymm", ", ymm15";
        ymm_root_f64: "avx2,fma", "vbroadcastsd", "vsqrtpd", "ymm", ", ymm15";
        zmm_fma: "avx512f", "vbroadcastsd", "vfmadd213pd", "zmm", ", zmm14, zmm15";
        zmm_or: "avx512f", "vbroadcastsd", "vpord", "zmm", ", zmm14, zmm15";
        zmm_divide_f32: "avx512f", "vbroadcastsd", "vdivps", "zmm", ", zmm14, zmm15";
        zmm_divide_f64: "avx512f", "vbroadcastsd", "vdivpd", "zmm", ", zmm14, zmm15";
        zmm_root_f32: "avx512f", "vbroadcastsd", "vsqrtps", "zmm", ", zmm15";
        zmm_root_f64: "avx512f", "vbroadcastsd", "vsqrtpd", "zmm", ", zmm15";
    }

    pub fn speed(level: Level) -> Option<Speed> {
        let time = |work: unsafe fn()| {
            // SAFETY: the level is available, so its instructions are.
            fastest(7, || unsafe { work() }) / (TURN * TURNS) as f64
        };
        if !level.is_available() {
            return None;
        }
        match level {
            Level::Avx2 => Some(Speed {
                float: time(ymm_fma),
                logic: time(ymm_or),
                divide: [time(ymm_divide_f32), time(ymm_divide_f64)],
                square_root: [time(ymm_root_f32), time(ymm_root_f64)],
            }),
            Level::Avx512 => Some(Speed {
                float: time(zmm_fma),
                logic: time(zmm_or),
                divide: [time(zmm_divide_f32), time(zmm_divide_f64)],
                square_root: [time(zmm_root_f32), time(zmm_root_f64)],
            }),
            Level::Portable => None,
        }
    }
}

/// What vector instructions of a level cost; `None` where nobody has taught this file to tell.
pub fn speed(level: Level) -> Option<Speed> {
    #[cfg(target_arch = "x86_64")]
    return throughput::speed(level);
    #[cfg(not(target_arch = "x86_64"))]
    {
        let _ = level;
        None
    }
}

/// Two arrays to copy between.
pub struct Copy {
    from: Buffer,
    to: Buffer,
}

impl Copy {
    /// Arrays of about `bytes` each.
    pub fn new(bytes: usize) -> Copy {
        let mut from = Buffer::new(bytes);
        // Memory nobody has written to is one page of zeros, and quick to read.
        from.words_mut().fill(1);
        Copy { from, to: Buffer::new(bytes) }
    }

    /// The bytes read and written by one copy.
    pub fn bytes(&self) -> usize {
        2 * size_of_val(self.from.words())
    }

    /// Copies through the caches, as `memcpy` does.
    pub fn cached(&mut self) {
        self.split(|from, to| to.copy_from_slice(from));
    }

    /// Copies with stores that bypass the caches.
    pub fn streamed(&mut self) {
        self.split(stream);
    }

    /// Has the threads that take parts of calls take parts of the copy, so that handing over takes both
    /// as long.
    fn split(&mut self, work: impl Fn(&[u64], &mut [u64]) + Sync) {
        /// A quarter of the fewest words that are split.
        const LEAST: usize = 1 << 10;
        let (from, to) = (self.from.words(), self.to.words_mut());
        let shared = Shared(to.as_mut_ptr());
        let part = |(): &mut (), start: usize, length: usize| {
            let Shared(to) = &shared;
            // SAFETY: words of the array that no other part has, which is borrowed for writing.
            let to = unsafe { std::slice::from_raw_parts_mut(to.add(start), length) };
            work(&from[start..start + length], to);
        };
        threads::split(0, from.len(), LEAST, || (), part);
    }
}

/// A pointer that crosses to other threads.
struct Shared(*mut u64);
// SAFETY: each thread writes words of its own: see `Copy::split`.
unsafe impl Sync for Shared {}

#[cfg(target_arch = "x86_64")]
fn stream(from: &[u64], to: &mut [u64]) {
    use std::arch::x86_64::{_mm_sfence, _mm_stream_si64};
    assert_eq!(from.len(), to.len());
    for (from, to) in from.iter().zip(to) {
        // SAFETY: every x86-64 CPU has the instruction; the reference is writable and aligned.
        unsafe { _mm_stream_si64((to as *mut u64).cast(), from.cast_signed()) };
    }
    // SAFETY: every x86-64 CPU has the instruction.
    unsafe { _mm_sfence() };
}

#[cfg(not(target_arch = "x86_64"))]
fn stream(from: &[u64], to: &mut [u64]) {
    to.copy_from_slice(from);
}
