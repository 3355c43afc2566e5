/* Where each kind of the tiny guest begins, and the notes by which Xen's domain builder knows the ELF ones. */
#ifdef PV
#define WORD .quad
#else
#define WORD .long
#endif
        .macro note type:req, text, address
        .balign 4
        .long 4, 3f - 2f, \type
        .asciz "Xen"
2:      .ifnb \text
        .asciz "\text"
        .else
        WORD \address
        .endif
3:      .balign 4
        .endm

#ifdef PV
        .section .note.xen, "a", @note
        note 6 text="tiny"
        note 5 text="xen-3.0"
        note 8 text="generic"
        note 9 text="yes"
        note 3 address=0
        note 4 address=0
        note 1 address=_start
        note 2 address=hypercall_page

        .section .text.start, "ax"
        .globl _start
_start: cld
        lea     stack + 8192(%rip), %rsp
        mov     %rsi, %rdi
        xor     %ebp, %ebp
        call    start
1:      jmp     1b

#else
#ifndef HVM
        .section .note.xen, "a", @note
        note 6 text="tiny"
        note 18 address=_start
#endif
        .code32
        .section .text.start, "ax"
        .globl _start
_start: cld
        mov     $stack + 8192, %esp
        xor     %ebp, %ebp
        /* the HVM image is a flat file: clear what follows it */
        mov     $bss_start, %edi
        mov     $bss_end, %ecx
        sub     %edi, %ecx
        xor     %eax, %eax
        rep stosb
#ifdef HVM
        xor     %ebx, %ebx
#endif
        push    %ebx
        call    start
1:      jmp     1b
#endif
        .section .note.GNU-stack, "", @progbits
