/* core/model/roles.h -- what a layer of a block does, and between which of them its MLP bends. */
#ifndef PL_MODEL_ROLES_H
#define PL_MODEL_ROLES_H

typedef enum pl_role {
    PL_ROLE_Q,
    PL_ROLE_K,
    PL_ROLE_V,
    PL_ROLE_O,
    PL_ROLE_GATE,
    PL_ROLE_UP,
    PL_ROLE_DOWN,
    PL_ROLE_Q_A,  /* latent attention: the stream to the queries' latent vector, */
    PL_ROLE_KV_A, /* to that of keys and values beside the rotated part of all keys, */
    PL_ROLE_Q_B,  /* the first to queries, */
    PL_ROLE_KV_B, /* the second to keys and values, head by head */
    PL_ROLE_COUNT,
} pl_role;

typedef enum pl_activation {
    PL_SILU,
    PL_GELU_TANH, /* gelu_pytorch_tanh, gelu_new */
    PL_GELU,      /* with erf */
    PL_RELU,
    PL_CLAMPED_SWIGLU, /* gpt_oss: (up + 1) gate sigmoid(1.702 gate), gate and up held below 7 */
} pl_activation;

#endif
