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
    PL_ROLE_COUNT,
} pl_role;

typedef enum pl_activation {
    PL_SILU,
    PL_GELU_TANH, /* gelu_pytorch_tanh, gelu_new */
    PL_GELU,      /* with erf */
    PL_RELU,
} pl_activation;

#endif
