//! Keeps a call's floating-point environment apart from its caller's.
//!
//! Kernels compare NaNs, overflow on lanes they then discard and underflow by design, which sets
//! status flags that NumPy would report as warnings. And a caller may have set flush-to-zero
//! (`torch.set_flush_denormal`), which would change results. So the control register takes its
//! default value during a call, and its old one, flags included, after it.

/// The caller's control register, put back when this is dropped.
pub struct FloatStatus {
    #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
    saved: u64,
}

#[cfg(target_arch = "x86_64")]
mod register {
    use core::arch::asm;

    /// All exceptions masked, no flags, round to nearest, subnormals kept.
    pub const DEFAULT: u64 = 0x1f80;
    /// The flags of inexact results and of subnormal operands, which NumPy does not look at.
    pub const HARMLESS: u64 = 0x22;

    pub fn read() -> u64 {
        let mut value = 0_u32;
        // SAFETY: stores MXCSR, four bytes, to a local variable.
        unsafe { asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
        u64::from(value)
    }

    pub fn write(value: u64) {
        let value = value as u32;
        // SAFETY: the value is the default, or one read from the register.
        unsafe { asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly)) };
    }
}

#[cfg(target_arch = "aarch64")]
mod register {
    use core::arch::asm;

    pub const DEFAULT: u64 = 0;
    /// As above: the cumulative flags IXC and IDC of FPSR.
    pub const HARMLESS: u64 = 0x90;

    // FPCR and FPSR are 32-bit registers: control above, status below.
    pub fn read() -> u64 {
        let (control, status): (u64, u64);
        // SAFETY: reads two registers.
        unsafe {
            asm!("mrs {}, fpcr", out(reg) control, options(nomem, nostack));
            asm!("mrs {}, fpsr", out(reg) status, options(nomem, nostack));
        }
        control << 32 | status
    }

    pub fn write(value: u64) {
        let (control, status) = (value >> 32, value & 0xffff_ffff);
        // SAFETY: the values are the defaults, or were read from the registers.
        unsafe {
            asm!("msr fpcr, {}", in(reg) control, options(nomem, nostack));
            asm!("msr fpsr, {}", in(reg) status, options(nomem, nostack));
        }
    }
}

impl FloatStatus {
    #[inline]
    pub fn isolate() -> FloatStatus {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        {
            let saved = register::read();
            if saved & !register::HARMLESS != register::DEFAULT {
                register::write(register::DEFAULT);
            }
            FloatStatus { saved }
        }
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        FloatStatus {}
    }
}

impl Drop for FloatStatus {
    #[inline]
    fn drop(&mut self) {
        // Writing the register waits for what is in flight. Where nothing but harmless flags is
        // new, which is most calls, reading it is enough: every computation is inexact.
        #[cfg(target_arch = "x86_64")]
        if (register::read() ^ self.saved) & !register::HARMLESS != 0 {
            register::write(self.saved);
        }
        #[cfg(target_arch = "aarch64")]
        register::write(self.saved);
    }
}
