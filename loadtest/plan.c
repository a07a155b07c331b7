#include "plan.h"

#include <stdio.h>

const char *plan_email(const struct plan *plan, unsigned number, char email[EMAIL_SIZE]) {
    snprintf(email, EMAIL_SIZE, "%s%u%s", plan->email_before, number, plan->email_after);
    return email;
}
