/* core/model/roles.h -- the roles of a block's layers, and the activations of its MLP. */
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
    PL_ROLE_Q_A,  /* latent attention: from the residual stream to the queries' latent vector */
    PL_ROLE_KV_A, /* to the latent vector of keys and values, and the part of all keys that RoPE
                     turns */
    PL_ROLE_Q_B,  /* from the queries' latent vector to queries */
    PL_ROLE_KV_B, /* from the other one to keys and values, head by head */
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
