//! Calls of actgrad's kernels on arrays of their own, for the benchmarks in this crate.

#![deny(unsafe_code)]

#[allow(unsafe_code, reason = "asks the system for memory")]
pub mod buffer;
#[allow(unsafe_code, reason = "calls a kernel on its buffers")]
pub mod call;
#[allow(unsafe_code, reason = "times single instructions and non-temporal stores")]
pub mod machine;
#[cfg(all(target_arch = "x86_64", target_os = "linux"))]
#[allow(unsafe_code, reason = "steps through machine code, one instruction at a time")]
pub mod trace;
