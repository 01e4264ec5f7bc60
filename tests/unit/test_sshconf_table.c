#include "proxy/sshconf_table.h"

#include <criterion/criterion.h>
#include <string.h>
#include <strings.h>

Test(sshconf_table, each_id_has_an_entry)
{
    for (int id = 0; id < SSHCONF_IDS; id++) {
        const struct sshconf_entry *entry =
            sshconf_table_id((enum sshconf_id)id);

        cr_assert_not_null(entry, "%d", id);
        cr_assert_eq(entry->id, (enum sshconf_id)id);
    }
    cr_assert_not_null(sshconf_table_name("hostname"));
    cr_assert_null(sshconf_table_name("hostnam"));
    cr_assert_null(sshconf_table_name(""));
}

Test(sshconf_table, names_are_there_once)
{
    const struct sshconf_entry *entry;

    for (size_t i = 0; (entry = sshconf_table_at(i)); i++)
        cr_assert_eq(sshconf_table_name(entry->name), entry, "%s", entry->name);
}

Test(sshconf_table, entries_are_whole)
{
    const struct sshconf_entry *entry;

    for (size_t i = 0; (entry = sshconf_table_at(i)); i++) {
        bool acts =
            entry->effect == SSHCONF_ACTS || entry->effect == SSHCONF_SERVER ||
            entry->effect == SSHCONF_WAY || entry->effect == SSHCONF_CONTROL;

        cr_assert_eq(entry->form == SSHCONF_FORM_CHOICE, entry->choices != NULL,
                     "%s", entry->name);
        cr_assert(!acts || entry->id != SSHCONF_NO_ID, "%s", entry->name);
    }
}
