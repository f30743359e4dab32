//! Which instructions a call runs, counted one by one.
//!
//! The processor's trap flag raises a signal after every instruction; the handler writes down where
//! the next one is. Unlike a simulator this knows every instruction the CPU knows, AVX-512
//! included, and unlike counting in the disassembly it sees how often each runs. The difference of
//! two calls of different length leaves the loop alone.

use std::collections::BTreeMap;
use std::ffi::{c_int, c_void};
use std::ptr::null_mut;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use iced_x86::{Decoder, DecoderOptions, Instruction, Mnemonic, OpKind, Register};

/// Instructions by the part of the processor they need; how many run for each element.
#[derive(Clone, Copy, Debug, Default)]
pub struct Mix {
    pub all: f64,
    /// Floating-point vector arithmetic: add, multiply, fused multiply-add, compare, convert.
    pub float: f64,
    /// Other vector instructions on registers: logic, integers, selects, shuffles.
    pub logic: f64,
    /// In float32, in float64.
    pub divide: [f64; 2],
    pub square_root: [f64; 2],
}

/// The widest trace kept, in instructions.
const CAPACITY: usize = 1 << 21;

static SEEN: [AtomicUsize; CAPACITY] = [const { AtomicUsize::new(0) }; CAPACITY];
static LENGTH: AtomicUsize = AtomicUsize::new(0);
/// One trace at a time: the two above are shared with the signal handler.
static TRACING: Mutex<()> = Mutex::new(());

/// The instructions that `long` runs more than `short`, for each of `elements`.
pub fn difference(short: impl FnOnce(), long: impl FnOnce(), elements: usize) -> Mix {
    let mut counts: BTreeMap<usize, i64> = BTreeMap::new();
    for address in trace(long) {
        *counts.entry(address).or_default() += 1;
    }
    for address in trace(short) {
        *counts.entry(address).or_default() -= 1;
    }
    let mut mix = Mix::default();
    for (address, count) in counts {
        let share = count as f64 / elements as f64;
        mix.all += share;
        match kind(&decode(address)) {
            Kind::Float => mix.float += share,
            Kind::Logic => mix.logic += share,
            Kind::Divide(precision) => mix.divide[precision] += share,
            Kind::SquareRoot(precision) => mix.square_root[precision] += share,
            Kind::Other => {}
        }
    }
    mix
}

/// The addresses of the instructions `work` runs on this thread, in order.
fn trace(work: impl FnOnce()) -> Vec<usize> {
    let _one_at_a_time = TRACING.lock();
    LENGTH.store(0, Ordering::Relaxed);
    // SAFETY: `on_step` has the signature SA_SIGINFO asks for and does only what a handler may.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        action.sa_sigaction = on_step as *const () as usize;
        action.sa_flags = libc::SA_SIGINFO;
        libc::sigaction(libc::SIGTRAP, &raw const action, null_mut());
    }
    set_trap_flag();
    work();
    clear_trap_flag();
    let length = LENGTH.load(Ordering::Relaxed);
    assert!(length < CAPACITY, "the trace is too long");
    SEEN[..length].iter().map(|address| address.load(Ordering::Relaxed)).collect()
}

extern "C" fn on_step(_: c_int, _: *mut libc::siginfo_t, context: *mut c_void) {
    // SAFETY: the kernel passes a `ucontext_t` to a handler registered with SA_SIGINFO.
    let next = unsafe {
        let context = context.cast::<libc::ucontext_t>();
        (*context).uc_mcontext.gregs[libc::REG_RIP as usize]
    };
    let place = LENGTH.load(Ordering::Relaxed);
    if place < CAPACITY {
        SEEN[place].store(next as usize, Ordering::Relaxed);
        LENGTH.store(place + 1, Ordering::Relaxed);
    }
}

fn set_trap_flag() {
    // SAFETY: changes the trap flag alone, whose signal has a handler.
    unsafe { std::arch::asm!("pushfq", "or dword ptr [rsp], 0x100", "popfq") };
}

fn clear_trap_flag() {
    // SAFETY: as above.
    unsafe { std::arch::asm!("pushfq", "and dword ptr [rsp], ~0x100", "popfq") };
}

/// The instruction at an address this program has run.
fn decode(address: usize) -> Instruction {
    const LONGEST: usize = 15;
    // SAFETY: the address is inside executable code of this process, which is readable; a page
    // of code is followed by more of the mapping, as no loop is its last instruction.
    let code = unsafe { std::slice::from_raw_parts(address as *const u8, LONGEST) };
    Decoder::with_ip(64, code, address as u64, DecoderOptions::NONE).decode()
}

enum Kind {
    Float,
    Logic,
    /// 0 for float32, 1 for float64.
    Divide(usize),
    SquareRoot(usize),
    Other,
}

fn kind(instruction: &Instruction) -> Kind {
    let is_vector = |register: Register| register.is_vector_register() || register.is_k();
    let vector = (0..instruction.op_count()).any(|k| {
        instruction.op_kind(k) == OpKind::Register && is_vector(instruction.op_register(k))
    });
    if !vector {
        return Kind::Other;
    }
    let name = format!("{:?}", instruction.mnemonic());
    let starts = |prefixes: &[&str]| prefixes.iter().any(|prefix| name.starts_with(prefix));
    let double = usize::from(name.ends_with('d'));
    match instruction.mnemonic() {
        Mnemonic::Vzeroupper => Kind::Other,
        _ if starts(&["Vdiv", "Div"]) => Kind::Divide(double),
        _ if starts(&["Vsqrt", "Sqrt"]) => Kind::SquareRoot(double),
        // Loads, stores and renamed copies; a select in the form of a masked copy is logic.
        _ if starts(&["Vmov", "Mov", "Vbroadcast", "Vpbroadcast"]) => {
            if instruction.has_op_mask() {
                Kind::Logic
            } else {
                Kind::Other
            }
        }
        _ if starts(&["Vp", "P", "Vand", "And", "Vor", "Or", "Vxor", "Xor", "Vblend", "K"]) => {
            Kind::Logic
        }
        _ if starts(&["Vshuf", "Vunpck", "Vinsert", "Vextract", "Valign"]) => Kind::Logic,
        _ => Kind::Float,
    }
}
