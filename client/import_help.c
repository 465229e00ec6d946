/* SPDX-License-Identifier: Apache-2.0 */
#include "client/import_help.h"

#include "client/output.h"

#include <string.h>

static const struct {
  const char *program;
  const char *name; /* with the version whose words these are */
  const char *steps;
} helps[] = {
    {"thunderbird", "Thunderbird 128 and later",
     "1. Menu > Settings > Privacy & Security > Certificates: Manage Certificates...\n"
     "2. Tab \"Your Certificates\": Import..., choose the file, enter its password.\n"
     "3. When the CA is one of your own: tab \"Authorities\": Import... its root certificate, and\n"
     "   tick \"Trust this CA to identify email users\".\n"
     "4. Menu > Account Settings > End-To-End Encryption of the account, S/MIME: Select... the\n"
     "   certificate for digital signing; when asked, take it for encryption too.\n"
     "5. In a new message: menu Security (or OpenPGP) > S/MIME, Digitally Sign, Encrypt.\n"
     "After a renewal do steps 2 and 4 again. Leave the old certificate in the list: mail that "
     "was\n"
     "encrypted to it is read with it.\n"},
    {"outlook", "classic Outlook for Windows (2019, 2021, 2024, Microsoft 365)",
     "1. File > Options > Trust Center > Trust Center Settings... > Email Security.\n"
     "2. Digital IDs: Import/Export... > Import existing Digital ID from a file: Browse... for "
     "the\n"
     "   file, enter its password and a name, OK.\n"
     "3. When the CA is one of your own: open its root certificate in the Explorer, Install\n"
     "   Certificate... into \"Trusted Root Certification Authorities\".\n"
     "4. Encrypted email: Settings..., give the settings a name, Choose... the certificate for\n"
     "   signing and for encryption, OK.\n"
     "5. In a new message: Options > Sign, Encrypt > Encrypt with S/MIME.\n"
     "After a renewal do steps 2 and 4 again. Do not delete the old Digital ID.\n"},
    {"outlook-new", "new Outlook for Windows, with an account at Exchange or Microsoft 365",
     "1. In the Explorer open the file: Current User, enter its password, let Windows choose the\n"
     "   certificate store, Finish.\n"
     "2. Close Outlook and open it again.\n"
     "3. Settings > Mail > S/MIME: choose signing and encrypting for all messages, or leave them "
     "off\n"
     "   and choose in each message: Options > More options > Encrypt (S/MIME), Digitally sign.\n"
     "The new Outlook does S/MIME with other accounts by no means: use classic Outlook there.\n"},
    {"outlook-mac", "Outlook for Mac",
     "1. In the Finder open the file: Keychain Access asks for its password; keychain \"login\".\n"
     "2. Close Outlook and open it again.\n"
     "3. Outlook > Settings... > Accounts: the account, Security: choose the certificate for "
     "digital\n"
     "   signing and for encryption.\n"
     "4. In a new message: Options (or Draft) > S/MIME > Digitally Sign Message, Encrypt "
     "Message.\n"},
    {"apple-mail", "Mail of macOS 13 and later",
     "1. In the Finder open the file: Keychain Access asks for its password; keychain \"login\".\n"
     "2. When the CA is one of your own: open its root certificate too, then in Keychain Access >\n"
     "   Certificates open it, Trust, Secure Mail (S/MIME): Always Trust.\n"
     "3. Close Mail and open it again.\n"
     "4. In a new message from that address the signs for signing and, when you have the\n"
     "   certificate of every recipient, for encryption are to the right of the subject.\n"
     "After a renewal do steps 1 and 3 again. Do not delete the old certificate or its key.\n"},
    {"iphone", "Mail of iOS and iPadOS 18 and later",
     "1. Send the file to the device by AirDrop or put it into Files, and open it there; not the\n"
     "   password, which you type.\n"
     "2. Settings > Profile Downloaded > Install, enter the password.\n"
     "3. When the CA is one of your own: the same with its root certificate, then Settings >\n"
     "   General > About > Certificate Trust Settings.\n"
     "4. Settings > Apps > Mail > Mail Accounts > the account > Account Settings > Advanced: "
     "Sign,\n"
     "   and Encrypt by Default: turn on and tick the certificate.\n"
     "After a renewal do all of it again. Do not remove the old profile.\n"},
};

gboolean import_help_known(const char *program) {
  for (gsize i = 0; i < G_N_ELEMENTS(helps); i++)
    if (strcmp(helps[i].program, program) == 0)
      return TRUE;
  return FALSE;
}

void import_help_print(const char *program, const char *p12, const char *password_file) {
  for (gsize i = 0; i < G_N_ELEMENTS(helps); i++) {
    if (strcmp(helps[i].program, program) != 0)
      continue;
    output_text(
        "%s\n\nThe file:      %s\nIts password:  %s\n\n%s"
        "When it says that the password is wrong though it is right, the program is too old\n"
        "for the file: make another with \"signet export --p12 legacy\".\n",
        helps[i].name, p12 != NULL ? p12 : "NAME.p12, from signet request",
        password_file != NULL ? password_file : "in NAME.p12.password", helps[i].steps);
  }
}
